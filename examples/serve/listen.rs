//! Connections: as many as may be, none of them slower than it may be, all of them finished before the
//! service ends.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;

use crate::app::Shared;
use crate::observe::Counted;

/// Bytes of a request's head, and of what is read of its body at once.
const BUFFER: usize = 64 << 10;

/// How long to wait where the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(50);

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Connections at once; more of them wait in the system's queue.
    pub(crate) connections: usize,
    /// For a head to come, or for a client to read on.
    pub(crate) stalled: Duration,
    /// For what is under way, once the service is to end.
    pub(crate) grace: Duration,
}

/// Serves until `stop` ends, then finishes what was begun; false if the grace was too short for that.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    app: &Shared,
    patience: Patience,
    stop: impl Future<Output = ()>,
) -> bool {
    let room = Arc::new(Semaphore::new(patience.connections));
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = async {
            // Never closed.
            let permit = Arc::clone(&room).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, stream) = tokio::select! {
            (permit, accepted) = accepted => match accepted {
                Ok((stream, _)) => (permit, stream),
                Err(_) => {
                    tokio::time::sleep(NO_ROOM).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let counted = Counted::new(&app.metrics.connections);
        let connection = graceful.watch(connection(stream, router.clone(), patience));
        tokio::spawn(async move {
            // Whoever breaks off, or speaks no HTTP, needs no answer.
            let _ = connection.await;
            drop((permit, counted));
        });
    }
    drop(listener);
    tokio::time::timeout(patience.grace, graceful.shutdown())
        .await
        .is_ok()
}

fn connection(
    stream: TcpStream,
    router: Router,
    patience: Patience,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(patience.stalled));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.stalled)
        .max_buf_size(BUFFER)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(router),
        )
}
