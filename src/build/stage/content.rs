//! Contents: what files turn out to be, on their way from those who read to whoever takes them in.
//!
//! # Not here
//!
//! Reading (`build::stage::batch`, `build::stage::stream`), what becomes of them (`build::stage::packer`, `remote::push`).

use crate::base::Result;
use crate::base::id::Hash;
use crate::object::edit::TreeSink;
use crate::object::frame::FRAME_ROW_BYTES;
use crate::object::frame_builder::FrameBuilder;
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;

/// Bytes that a content takes in memory beside its own: they count where there are millions of tiny files.
pub const CONTENT_BYTES_EXTRA: u64 = 128;

/// The bytes of a small file or a link's target, hashed.
#[derive(Debug)]
pub struct Content {
    /// The id of the blob.
    pub id: Hash,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A chunk of a large file, hashed, and already in the frame that it has to itself: so it is copied once.
#[derive(Debug)]
pub struct Chunk {
    /// The id of the blob that it is.
    pub id: Hash,
    /// The frame, of one object.
    pub frame: FrameBuilder,
}

impl Chunk {
    /// Hashes and frames `bytes`.
    ///
    /// # Errors
    ///
    /// Those of [`FrameBuilder::push`].
    pub fn of(bytes: &[u8]) -> Result<Self> {
        let id = Hash::of(bytes);
        let mut frame = FrameBuilder::with_room(1, FRAME_ROW_BYTES + bytes.len());
        frame.push(ObjectKind::Blob, id, bytes)?;
        Ok(Self { id, frame })
    }
}

/// Takes in what files turn out to be, in the order of the files, and the trees that are made of them.
pub trait ContentSink: TreeSink {
    /// Hears that there will be up to `contents` more to take.
    fn expect(&mut self, contents: usize);

    /// Takes in a content.
    ///
    /// # Errors
    ///
    /// What the sink answers, also for contents taken before; so for every method.
    fn take(&mut self, content: Content) -> Result<()>;

    /// Takes in a chunk of a large file.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    fn take_chunk(&mut self, chunk: Chunk) -> Result<()>;

    /// Takes in how a large file is put together, after its chunks.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    fn take_recipe(&mut self, recipe: &Recipe) -> Result<()>;
}
