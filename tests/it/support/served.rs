//! A store that is served by the real binary, on a port of its own, until the test ends.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::http::{Ask, Reply};
use super::{Answer, Outcome, Scratch};

/// How long a server may take to say what it is expected to.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that runs.
pub struct Served {
    child: Child,
    pub address: SocketAddr,
    /// A token that may do everything.
    pub token: String,
    /// Reads what the server says, so that it is never held up by it.
    listener: Option<JoinHandle<()>>,
    /// What it has said.
    said: Arc<Mutex<String>>,
}

impl Served {
    /// Makes a token for everything and serves the store of `scratch`, with these options more.
    pub fn start(scratch: &Scratch, options: &str) -> Result<Self, Box<dyn Error>> {
        let token = scratch.ok("token create --repo * --ref * --can *")?;
        let mut served = Self::start_with(scratch, options)?;
        token.text().clone_into(&mut served.token);
        Ok(served)
    }

    /// Serves the store of `scratch` as it is.
    pub fn start_with(scratch: &Scratch, options: &str) -> Result<Self, Box<dyn Error>> {
        Self::start_command(Self::command(scratch, options))
    }

    /// Serves the store of `scratch` as it is, at another time than that of its other commands.
    pub fn start_at(scratch: &Scratch, options: &str, time_s: u64) -> Result<Self, Box<dyn Error>> {
        let mut command = Self::command(scratch, options);
        command.env("SOURCE_DATE_EPOCH", time_s.to_string());
        Self::start_command(command)
    }

    fn command(scratch: &Scratch, options: &str) -> Command {
        let words = format!("serve --listen 127.0.0.1:0 {options}");
        scratch.command(words.split_whitespace())
    }

    fn start_command(mut command: Command) -> Result<Self, Box<dyn Error>> {
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let mut said = BufReader::new(child.stderr.take().ok_or("its standard error")?);
        let address = address_in(&mut said);
        let address = address.inspect_err(|_| {
            // It is of no use any more.
            child.kill().ok();
        })?;
        let heard = Arc::new(Mutex::new(String::new()));
        let hearing = Arc::clone(&heard);
        let listener = thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                let mut heard = hearing.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        Ok(Self {
            child,
            address,
            token: String::new(),
            listener: Some(listener),
            said: heard,
        })
    }

    /// How much memory the server holds, in KiB.
    pub fn memory_kib(&self) -> Result<u64, Box<dyn Error>> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next());
        Ok(kib.ok_or("its memory")?.parse()?)
    }

    /// The URL of the server.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks for something, without a token.
    pub fn get(&self, target: &str) -> Result<Reply, Box<dyn Error>> {
        Ask::new("GET", target).send(self.address)
    }

    /// Asks as somebody who may do everything.
    pub fn ask(&self, method: &str, target: &str, body: &str) -> Result<Reply, Box<dyn Error>> {
        let ask = Ask::new(method, target).token(&self.token).body(body);
        ask.send(self.address)
    }

    /// Runs a command line as somebody who may do everything on the server.
    pub fn run(&self, scratch: &Scratch, line: &str) -> Result<Answer, Box<dyn Error>> {
        let mut command = scratch.command(line.split(' '));
        command.env("BINDERY_TOKEN", &self.token);
        Answer::of(&mut command)
    }

    fn said(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.clone()
    }

    /// Asks the process to read its certificate again.
    pub fn hang_up(&self) -> Outcome {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-HUP", &id]).status()?;
        Ok(())
    }

    /// Waits until the server has said something.
    pub fn wait_for_word(&self, word: &str) -> Outcome {
        let begun = Instant::now();
        while !self.said().contains(word) {
            if begun.elapsed() > PATIENCE {
                return Err(format!("{word:?} was expected: {}", self.said()).into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Asks the process to end, and does not wait for it.
    pub fn ask_to_end(&self) -> Outcome {
        Command::new("kill")
            .arg(self.child.id().to_string())
            .status()?;
        Ok(())
    }

    /// Kills the process, as a crash would.
    pub fn kill(mut self) -> Outcome {
        self.child.kill()?;
        self.child.wait()?;
        self.listener.take();
        Ok(())
    }

    /// Asks the process to end, and waits until it has.
    pub fn end(mut self) -> Result<(ExitStatus, String), Box<dyn Error>> {
        self.ask_to_end()?;
        let status = self.child.wait()?;
        let listener = self.listener.take().ok_or("it is there until the end")?;
        listener.join().map_err(|_| "the listener panicked")?;
        Ok((status, self.said()))
    }

    /// Ends the server, and expects the store to be sound.
    pub fn end_sound(self, scratch: &Scratch) -> Outcome {
        let (status, said) = self.end()?;
        if !status.success() {
            return Err(format!("{status}: {said}").into());
        }
        scratch.ok("fsck --counts")?;
        scratch.expect_sound()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended already is none of ours any more.
        if self.listener.is_some() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

/// Reads what the server says until it says where it is.
fn address_in(said: &mut BufReader<ChildStderr>) -> Result<SocketAddr, Box<dyn Error>> {
    let mut all = String::new();
    loop {
        let mut line = String::new();
        if said.read_line(&mut line)? == 0 {
            return Err(format!("it has ended: {all}").into());
        }
        if let Some((_, address)) = line.trim_end().rsplit_once("://") {
            return Ok(address.trim_end_matches('/').parse()?);
        }
        all += &line;
    }
}
