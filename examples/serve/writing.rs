//! The one writer, on a thread of its own: what comes while it syncs shares the next sync.

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

use crate::answer::Refusal;

/// Orders that wait, at most.
const QUEUE: usize = 256;

/// Items that share one sync, at most.
const BATCH: usize = 64;

type Reply<T> = oneshot::Sender<Result<T>>;

/// One change of the collection, and who waits for it.
pub(crate) enum Order {
    Add(Box<NewItem>, Reply<(AddOutcome, u64)>),
    Remove(String, Reply<(bool, u64)>),
    Mark(FalseMatch, Reply<u64>),
    Unmark(String, FalseScope, Reply<(bool, u64)>),
}

/// The writer's thread.
pub(crate) struct Writing {
    orders: Mutex<Option<SyncSender<Order>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    writer: Mutex<Option<Arc<CollectionWriter>>>,
    compacts: Arc<AtomicBool>,
}

impl Writing {
    /// Starts the thread.
    pub(crate) fn start(writer: CollectionWriter) -> std::io::Result<Self> {
        let (orders, queue) = sync_channel(QUEUE);
        let writer = Arc::new(writer);
        let own = Arc::clone(&writer);
        let thread = std::thread::Builder::new()
            .name("write".to_owned())
            .spawn(move || work(&own, &queue))?;
        Ok(Self {
            orders: Mutex::new(Some(orders)),
            thread: Mutex::new(Some(thread)),
            writer: Mutex::new(Some(writer)),
            compacts: Arc::default(),
        })
    }

    /// Gives an order and waits until it is durable.
    pub(crate) async fn order<T>(
        &self,
        order: impl FnOnce(Reply<T>) -> Order,
    ) -> std::result::Result<T, Refusal> {
        let (reply, done) = oneshot::channel();
        let orders = lock(&self.orders).clone();
        let orders = orders.ok_or_else(Refusal::stopping)?;
        orders.try_send(order(reply)).map_err(|e| match e {
            TrySendError::Full(_) => Refusal::overloaded("too many changes wait", 1),
            TrySendError::Disconnected(_) => Refusal::stopping(),
        })?;
        drop(orders);
        match done.await {
            Ok(result) => Ok(result?),
            Err(_) => Err(Refusal::stopping()),
        }
    }

    /// Merges the collection to one segment on a thread of its own; fails if that is under way.
    /// `done` gets the outcome.
    pub(crate) fn compact(
        &self,
        done: impl FnOnce(Result<u64>) + Send + 'static,
    ) -> std::result::Result<(), Refusal> {
        let writer = lock(&self.writer).clone().ok_or_else(Refusal::stopping)?;
        if self.compacts.swap(true, Ordering::AcqRel) {
            let message = "the collection is being merged already";
            return Err(Refusal::new(StatusCode::CONFLICT, "conflict", message));
        }
        let compacts = Arc::clone(&self.compacts);
        let thread = std::thread::Builder::new().name("compact".to_owned());
        let spawned = thread.spawn(move || {
            let result = writer.compact();
            // Before anybody hears of the end, so that whoever does can ask again.
            drop(writer);
            compacts.store(false, Ordering::Release);
            done(result);
        });
        spawned.map(drop).map_err(|e| {
            self.compacts.store(false, Ordering::Release);
            Error::io("cannot start a thread", e).into()
        })
    }

    /// What became of merging.
    pub(crate) fn merge_status(&self) -> Option<MergeStatus> {
        let writer = lock(&self.writer);
        writer.as_ref().map(|writer| writer.merge_status())
    }

    /// Takes no more orders, and waits until those that were taken are done. A merge that is under
    /// way is waited for by nobody: whatever it has not put in force, it has not changed.
    pub(crate) fn stop(&self) {
        drop(lock(&self.orders).take());
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join();
        }
    }
}

fn work(writer: &CollectionWriter, queue: &Receiver<Order>) {
    let mut next = queue.recv().ok();
    while let Some(order) = next.take() {
        match order {
            Order::Add(item, reply) => {
                let (mut items, mut replies) = (vec![*item], vec![reply]);
                while items.len() < BATCH {
                    match queue.try_recv() {
                        Ok(Order::Add(item, reply)) => {
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
            Order::Remove(name, reply) => {
                let result = writer.remove(&[name]).map(|(there, generation)| {
                    (there.first().copied().unwrap_or(false), generation)
                });
                let _ = reply.send(result);
            }
            Order::Mark(mark, reply) => {
                let _ = reply.send(writer.mark_false(&[mark]));
            }
            Order::Unmark(item, scope, reply) => {
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
