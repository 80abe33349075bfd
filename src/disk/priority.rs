//! Priority: threads for work that others need not wait for.

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::base::{Error, Result};

/// The lowest priority that there is.
const NICE_MAX: i32 = 19;

/// Threads for work that gives way to everything else. All that is done with it is done on them, in parallel.
#[derive(Debug)]
pub struct Background(ThreadPool);

impl Background {
    /// Starts one thread for each processor.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] if the system gives none.
    pub fn start() -> Result<Self> {
        let threads = ThreadPoolBuilder::new().start_handler(|_| give_way());
        let threads = threads.build();
        threads
            .map(Self)
            .map_err(|error| Error::internal(format!("no threads for work behind: {error}")))
    }

    /// Does some work, and waits for it.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.install(work)
    }
}

/// Lets all others go before the calling thread, from now on. Linux keeps this for each thread by itself.
fn give_way() {
    // A thread with its usual priority does the same work.
    rustix::process::setpriority_process(None, NICE_MAX).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_behind_gives_way_and_others_do_not() -> Result<()> {
        let priority = || rustix::process::getpriority_process(None).ok();
        let before = priority();
        assert_eq!(Background::start()?.run(priority), Some(NICE_MAX));
        assert_eq!(priority(), before);
        Ok(())
    }
}
