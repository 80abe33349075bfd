//! Serving: connections are taken in, bounded in number and in time, and let go of in order at the end.
//!
//! # Invariants
//!
//! - A connection that sends no request in time is closed; one that is idle, too, and one that does not read what it asked for.
//! - At the end no new connection is taken in, those that are being answered are answered, and changes that are under way are
//!   done, also those of whoever has gone.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::EXPECT;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

use super::app::App;
use super::metrics::Counted;
use super::mirroring::Mirror;
use super::outward::Outward;
use super::pace::paced;
use super::rest::{Sending, to_the_end};
use super::tls::Identity;
use super::troubles;
use super::{dispatch, job_work, schedule};
use crate::base::{Error, Result};
use crate::disk::room::raise_open_files;
use crate::store::Store;
use crate::store::serve_settings::ServeSettings;

/// Bytes of a request's head that wait to be read.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Lines in a request's head.
pub const HEADERS_MAX: usize = 100;
/// How long those that are being answered have when the server ends.
pub const DRAIN_WAIT: Duration = Duration::from_secs(30);
/// How long to wait when no connection can be taken in, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a server tells whoever started it.
#[derive(Debug)]
pub enum Told {
    /// It listens at this address.
    Ready(SocketAddr),
    /// It was asked by SIGHUP to read its certificate and key again, and did, or shows those that it had.
    Renewed(Result<()>),
    /// Something went wrong beside answering, such as a job: this.
    Trouble(String),
    /// Clear text is spoken: there is nothing to be read again.
    NothingToRenew,
}

/// Serves a store until the process is asked to end by SIGINT or SIGTERM. `tell` hears what is to be known of it.
///
/// # Errors
///
/// As [`Server::bind`]; [`Error::Io`] if the system gives no threads.
pub fn serve(
    store: Store,
    listen: SocketAddr,
    settings: ServeSettings,
    tell: &dyn Fn(Told),
) -> Result<()> {
    raise_open_files()?;
    let failed = Error::io("start", "the threads of the server".as_ref());
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(failed)?;
    let outcome = runtime.block_on(async {
        let server = Server::bind(App::new(store, settings)?, listen).await?;
        let (end, mut hang_up) = (asked_to_end()?, listen_for(SignalKind::hangup())?);
        tell(Told::Ready(server.address()?));
        let identity = Arc::clone(&server.tls);
        let mut troubles = server.app.troubles.listen();
        let warning = async {
            while let Some(words) = troubles::next(&mut troubles).await {
                tell(Told::Trouble(words));
            }
        };
        let renewing = async {
            while hang_up.recv().await.is_some() {
                let renewed = identity.renew();
                tell(if identity.is_shown() {
                    Told::Renewed(renewed)
                } else {
                    Told::NothingToRenew
                });
            }
        };
        tokio::select! {
            () = server.run(end) => {}
            () = renewing => {}
            () = warning => {}
        }
        Ok(())
    });
    // What is still being read is read in vain; what is being written is finished.
    runtime.shutdown_timeout(DRAIN_WAIT);
    outcome
}

/// Whether what is said between the server and others can be kept from those in between.
fn check_secrecy(listen: SocketAddr, settings: &ServeSettings) -> Result<()> {
    let is_kept = settings.tls_certificate.is_some() || settings.behind_proxy;
    if listen.ip().is_loopback() || is_kept {
        return Ok(());
    }
    Err(Error::usage(format!(
        "{listen} is not an address of this machine alone, and tokens would be sent as clear text: give it \
         --tls-certificate and --tls-key, listen at 127.0.0.1 behind a proxy that speaks TLS, or say --behind-proxy if only such a proxy can reach {listen}"
    )))
}

fn listen_for(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(Error::io("listen for", "signals".as_ref()))
}

/// Ends when the process is asked to.
fn asked_to_end() -> Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (
        listen_for(SignalKind::interrupt())?,
        listen_for(SignalKind::terminate())?,
    );
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    listener: TcpListener,
    tls: Arc<Identity>,
    mirrors: Vec<Arc<Mirror>>,
}

impl Server {
    /// Listens at an address, to clear text or TLS as the settings say.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`] for clear text where others could read it, and for certificates and mirrors that are of no use;
    /// [`Error::Io`] if that cannot be listened at.
    pub async fn bind(app: Arc<App>, address: SocketAddr) -> Result<Self> {
        check_secrecy(address, &app.settings)?;
        let root = app.store.root();
        let tls = Arc::new(Identity::read(root.clone(), &app.settings)?);
        let mirrors = app.settings.mirrors.iter();
        let mirrors = mirrors.map(|settings| Mirror::new(&root, settings).map(Arc::new));
        let mirrors = mirrors.collect::<Result<_>>()?;
        let listener = TcpListener::bind(address).await;
        let listener = listener.map_err(|error| unusable(address, &error))?;
        Ok(Self {
            app,
            listener,
            tls,
            mirrors,
        })
    }

    /// The address that it listens at.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system does not say.
    pub fn address(&self) -> Result<SocketAddr> {
        let address = self.listener.local_addr();
        address.map_err(|error| unusable(([0, 0, 0, 0], 0).into(), &error))
    }

    /// Answers requests until `end` says that it is enough.
    pub async fn run(self, end: impl Future<Output = ()>) {
        let limits = &self.app.settings.limits;
        let connections_max = usize::try_from(limits.connections_max).unwrap_or(1);
        let head_wait = Duration::from_secs(limits.head_seconds);
        let connections = Arc::new(Semaphore::new(connections_max));
        let graceful = GracefulShutdown::new();
        let mut end = std::pin::pin!(end);
        tokio::spawn(job_work::work(Arc::clone(&self.app)));
        tokio::spawn(schedule::keep(Arc::clone(&self.app)));
        job_work::follow_each(&self.app, &self.mirrors);
        loop {
            let next = async {
                let place = Arc::clone(&connections).acquire_owned().await;
                (place, self.listener.accept().await)
            };
            let (place, accepted) = tokio::select! {
                next = next => next,
                () = &mut end => break,
            };
            let (Ok(place), Ok((stream, peer))) = (place, accepted) else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            // Small answers go at once. A connection that this fails on fails anyway.
            stream.set_nodelay(true).ok();
            let (app, watcher) = (Arc::clone(&self.app), graceful.watcher());
            let counted = Counted::by(&app.metrics.connections);
            let tls = self.tls.shown().map(TlsAcceptor::from);
            tokio::spawn(async move {
                match tls {
                    None => converse(app, peer, stream, watcher).await,
                    Some(tls) => {
                        let accepted = tokio::time::timeout(head_wait, tls.accept(stream)).await;
                        // Whoever does not speak TLS, or not in time, could not read an answer.
                        if let Ok(Ok(stream)) = accepted {
                            converse(app, peer, stream, watcher).await;
                        }
                    }
                }
                drop((place, counted));
            });
        }
        drop(self.listener);
        // Streams of events would never end by themselves.
        self.app.ending.send_replace(true);
        self.app.jobs.stop();
        let under_way = &self.app.under_way;
        let drained = async {
            graceful.shutdown().await;
            // No more of them begin now.
            under_way.all_done().await;
        };
        // Whoever has had so long is left alone.
        tokio::time::timeout(DRAIN_WAIT, drained).await.ok();
    }
}

/// Answers the requests of a connection.
async fn converse<S>(app: Arc<App>, peer: SocketAddr, stream: S, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = app.settings.limits.clone();
    let head_wait = Duration::from_secs(limits.head_seconds);
    let service = service_fn(move |request: Request<Incoming>| {
        let app = Arc::clone(&app);
        async move {
            let limits = &app.settings.limits;
            let sending = if request.headers().contains_key(EXPECT) {
                Sending::WhenAsked
            } else {
                Sending::AtOnce
            };
            let request = request.map(|body| {
                if body.is_end_stream() {
                    return Body::empty();
                }
                to_the_end(paced(Body::new(body), limits), sending)
            });
            let answer = dispatch::answer(Arc::clone(&app), peer.ip(), request).await;
            Ok::<_, Infallible>(answer)
        }
    });
    let stream = TokioIo::new(Outward::new(stream, &limits));
    let connection = builder(head_wait).serve_connection(stream, service);
    // Whoever breaks off has gone: nobody is left to be told.
    watcher.watch(connection).await.ok();
}

fn builder(head_wait: Duration) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(head_wait)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    builder
}

fn unusable(address: SocketAddr, error: &io::Error) -> Error {
    let again = io::Error::new(error.kind(), error.to_string());
    Error::io("listen at", address.to_string().as_ref())(again)
}
