//! Connections: a bounded number, with timeouts, all finished before the service ends.

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

/// Maximum size of a request head, and of one read of its body, in bytes.
const BUFFER: usize = 64 << 10;

/// Pause before accepting again if the system cannot accept a connection.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Limits on connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionLimits {
    /// Open connections; more wait in the system's backlog.
    pub(crate) max_connections: usize,
    /// Timeout for a request head, and for a client to read more of a response.
    pub(crate) stall_timeout: Duration,
    /// Time for running requests to finish at shutdown.
    pub(crate) grace: Duration,
}

/// Serves until `stop` completes, then finishes running requests; returns false if the grace period was
/// too short.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    app: &Shared,
    limits: ConnectionLimits,
    stop: impl Future<Output = ()>,
) -> bool {
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    let graceful = GracefulShutdown::new();
    tokio::pin!(stop);
    loop {
        let accepted = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&permits).acquire_owned().await.ok();
            (permit, listener.accept().await)
        };
        let (permit, stream) = tokio::select! {
            (permit, accepted) = accepted => match accepted {
                Ok((stream, _)) => (permit, stream),
                Err(_) => {
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let counted = Counted::new(&app.metrics.connections);
        let connection = graceful.watch(connection(stream, router.clone(), limits));
        tokio::spawn(async move {
            // A client that disconnects or does not speak HTTP gets no response.
            let _ = connection.await;
            drop((permit, counted));
        });
    }
    drop(listener);
    tokio::time::timeout(limits.grace, graceful.shutdown())
        .await
        .is_ok()
}

fn connection(
    stream: TcpStream,
    router: Router,
    limits: ConnectionLimits,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.stall_timeout));
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.stall_timeout)
        .max_buf_size(BUFFER)
        .serve_connection(
            TokioIo::new(Box::pin(stream)),
            TowerToHyperService::new(router),
        )
}
