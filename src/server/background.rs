//! A server beside other work of the same process, such as a demo.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use super::app::App;
use super::serve::Server;
use crate::base::{Error, Result};
use crate::store::Store;
use crate::store::serve_settings::ServeSettings;

/// A server on threads of its own. It ends when it is told to, and at the latest when this is dropped.
#[derive(Debug)]
pub struct Background {
    address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Serves a store at an address.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if it cannot listen there, or the system gives no threads.
    pub fn start(store: Store, listen: SocketAddr, settings: ServeSettings) -> Result<Self> {
        let failed = Error::io("start", "the threads of the server".as_ref());
        let runtime = Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let (end, ended) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let app = App::new(store, settings);
                let server = match app {
                    Ok(app) => Server::bind(app, listen).await,
                    Err(error) => Err(error),
                };
                let bound = server.and_then(|server| Ok((server.address()?, server)));
                let server = match bound {
                    Ok((address, server)) => {
                        tell.send(Ok(address)).ok();
                        server
                    }
                    Err(error) => {
                        tell.send(Err(error)).ok();
                        return;
                    }
                };
                // Whoever drops the other side wants the end as well.
                server.run(async { ended.await.unwrap_or_default() }).await;
            });
        });
        let address = told.recv();
        let address = address.map_err(|_| Error::internal("the server ended at once"))??;
        Ok(Self {
            address,
            end: Some(end),
            thread: Some(thread),
        })
    }

    /// The address that it listens at.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended, too, and has said so.
            thread.join().ok();
        }
    }
}
