//! An open file of a simulated disk.

use std::io;

use bindery::disk::files::DiskFile;

use super::SimulatedDisk;
use super::image::{Change, FileNumber};
use super::state::Act;

/// `EBADF`, which has no kind of its own.
const EBADF: i32 = 9;

/// What a file was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    ToRead,
    ToWrite,
}

#[derive(Debug)]
pub struct SimulatedFile {
    pub disk: SimulatedDisk,
    pub file: FileNumber,
    pub opened: Opened,
}

fn place(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl DiskFile for SimulatedFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        state.look()?;
        Ok(state.live.len(self.file) as u64)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.step(Act::Change)?;
        if self.opened == Opened::ToRead {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (file, bytes) = (self.file, place(bytes)?);
        state.change(Change::Length { file, bytes });
        Ok(())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.look()?;
        match state.live.files.get(&self.file) {
            Some(pages) if pages.read(place(offset)?, buffer) => Ok(()),
            Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
            None => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let (file, offset) = (self.file, place(offset)?);
        let write = |bytes: &[u8]| Change::Write {
            file,
            offset,
            bytes: bytes.into(),
        };
        if let Err(short) = state.step(Act::Write) {
            if state.is_short() {
                state.change(write(&bytes[..bytes.len() / 2]));
            }
            return Err(short);
        }
        match (bytes.is_empty(), self.opened) {
            (true, _) => Ok(()),
            (false, Opened::ToRead) => Err(io::Error::from_raw_os_error(EBADF)),
            (false, Opened::ToWrite) => {
                state.change(write(bytes));
                Ok(())
            }
        }
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        if let Err(error) = state.step(Act::Sync) {
            if state.has_lost_sync() {
                state.lose(self.file);
            }
            return Err(error);
        }
        let this = Some(self.file);
        state.settle(|change| change.file() == this);
        Ok(())
    }
}
