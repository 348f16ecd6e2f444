//! The writer, on a dedicated thread: changes that arrive during a sync share the next one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use axum::http::StatusCode;
use leakprint::collection::{
    AddOutcome, CollectionWriter, FalseMatch, FalseScope, MergeStatus, NewItem,
};
use leakprint::{Error, Result};
use tokio::sync::oneshot;

use crate::answer::ApiError;

/// Maximum number of waiting commands.
const MAX_QUEUED: usize = 256;

/// Maximum number of items that share one sync.
const MAX_BATCH: usize = 64;

type Reply<T> = oneshot::Sender<Result<T>>;

/// A change to the collection, and where to send the outcome.
pub(crate) enum Command {
    Add(Box<NewItem>, Reply<(AddOutcome, u64)>),
    Remove(String, Reply<(bool, u64)>),
    Mark(FalseMatch, Reply<u64>),
    Unmark(String, FalseScope, Reply<(bool, u64)>),
}

/// The writer's thread.
pub(crate) struct Writing {
    commands: Mutex<Option<SyncSender<Command>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    writer: Mutex<Option<Arc<CollectionWriter>>>,
    is_compacting: Arc<AtomicBool>,
}

impl Writing {
    /// Starts the thread.
    pub(crate) fn start(writer: CollectionWriter) -> std::io::Result<Self> {
        let (commands, queue) = sync_channel(MAX_QUEUED);
        let writer = Arc::new(writer);
        let shared = Arc::clone(&writer);
        let thread = std::thread::Builder::new()
            .name("write".to_owned())
            .spawn(move || run(&shared, &queue))?;
        Ok(Self {
            commands: Mutex::new(Some(commands)),
            thread: Mutex::new(Some(thread)),
            writer: Mutex::new(Some(writer)),
            is_compacting: Arc::default(),
        })
    }

    /// Submits a command and waits until it is durable.
    pub(crate) async fn submit<T>(
        &self,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> std::result::Result<T, ApiError> {
        let (reply, done) = oneshot::channel();
        let commands = lock(&self.commands).clone();
        let commands = commands.ok_or_else(ApiError::stopping)?;
        commands.try_send(command(reply)).map_err(|e| match e {
            TrySendError::Full(_) => ApiError::overloaded("too many changes are waiting", 1),
            TrySendError::Disconnected(_) => ApiError::stopping(),
        })?;
        drop(commands);
        match done.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(ApiError::stopping()),
        }
    }

    /// Merges the collection to one segment on a new thread; fails if a merge is already running.
    /// `done` receives the outcome.
    pub(crate) fn compact(
        &self,
        done: impl FnOnce(Result<u64>) + Send + 'static,
    ) -> std::result::Result<(), ApiError> {
        let writer = lock(&self.writer).clone().ok_or_else(ApiError::stopping)?;
        if self.is_compacting.swap(true, Ordering::AcqRel) {
            let message = "the collection is already being merged";
            return Err(ApiError::new(StatusCode::CONFLICT, "conflict", message));
        }
        let is_compacting = Arc::clone(&self.is_compacting);
        let thread = std::thread::Builder::new().name("compact".to_owned());
        let spawned = thread.spawn(move || {
            let result = writer.compact();
            // Before `done` reports the end, so that the next compaction can start then.
            drop(writer);
            is_compacting.store(false, Ordering::Release);
            done(result);
        });
        spawned.map(drop).map_err(|e| {
            self.is_compacting.store(false, Ordering::Release);
            Error::io("cannot start a thread", e).into()
        })
    }

    /// The outcome of the last merge.
    pub(crate) fn merge_status(&self) -> Option<MergeStatus> {
        let writer = lock(&self.writer);
        writer.as_ref().map(|writer| writer.merge_status())
    }

    /// Accepts no more commands, and waits for the accepted ones. Does not wait for a running merge:
    /// a merge changes nothing until it has finished.
    pub(crate) fn stop(&self) {
        drop(lock(&self.commands).take());
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

fn run(writer: &CollectionWriter, queue: &Receiver<Command>) {
    let mut next = queue.recv().ok();
    while let Some(command) = next.take() {
        match command {
            Command::Add(item, reply) => {
                let (mut items, mut replies) = (vec![*item], vec![reply]);
                while items.len() < MAX_BATCH {
                    match queue.try_recv() {
                        Ok(Command::Add(item, reply)) => {
                            items.push(*item);
                            replies.push(reply);
                        }
                        Ok(other) => {
                            next = Some(other);
                            break;
                        }
                        Err(_) => break,
                    }
                }
                add(writer, &items, replies);
            }
            Command::Remove(name, reply) => {
                let result = writer.remove(&[name]).map(|(there, generation)| {
                    (there.first().copied().unwrap_or(false), generation)
                });
                let _ = reply.send(result);
            }
            Command::Mark(mark, reply) => {
                let _ = reply.send(writer.mark_false(&[mark]));
            }
            Command::Unmark(item, scope, reply) => {
                let _ = reply.send(writer.unmark(&item, &scope));
            }
        }
        next = next.or_else(|| queue.recv().ok());
    }
}

fn add(writer: &CollectionWriter, items: &[NewItem], replies: Vec<Reply<(AddOutcome, u64)>>) {
    match writer.add_batch(items) {
        Ok((results, generation)) => {
            for (reply, result) in replies.into_iter().zip(results) {
                let _ = reply.send(result.map(|added| (added, generation)));
            }
        }
        Err(e) => {
            for reply in replies {
                let _ = reply.send(Err(Error::new(e.kind(), e.to_string())));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
