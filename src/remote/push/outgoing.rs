//! What goes out: objects are held until the other side was asked about them, and what it lacks is packed.
//!
//! # Invariants
//!
//! - At most the bytes of a window and one object more are held, beside what the packer and the outbox hold.
//! - Of files that are only looked at, trees and recipes are kept until the source was sent: they take some hundredths of
//!   what the files do.

use std::mem;

use super::asking::{Asking, Named};
use super::lacking::{Lacking, Texts};
use super::outbox::Outbox;
use super::sent::Sent;
use crate::base::Result;
use crate::base::id::Hash;
use crate::base::limits::MIB;
use crate::base::progress::Progress;
use crate::build::stage::{
    CONTENT_BYTES_EXTRA, Chunk, Content, ContentSink, Packer, Source, Threads, take_again, take_all,
};
use crate::object::edit::{TreeSink, Written};
use crate::object::kind::ObjectKind;
use crate::object::recipe::Recipe;
use crate::object::tree::{Node, TreeRef};

/// Bytes of objects that are asked about at once.
pub(super) const WINDOW_BYTES: u64 = 64 * MIB;

/// Sources on their way to a build elsewhere.
pub(super) struct Outgoing<'a, 'scope> {
    packer: Packer<'a, 'scope, Outbox>,
    asking: Asking<'a>,
    mode: Mode,
    window: Vec<Held>,
    held_bytes: u64,
    window_bytes: u64,
    texts: Texts,
}

/// What becomes of objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// They are held and asked about: most are probably lacking.
    Hold,
    /// Contents are let go: most are probably there, and the few that are not are read again. Trees and recipes are kept,
    /// to be asked about from the top down.
    Look,
}

/// An object that is held.
enum Held {
    Content(Content),
    Chunk(Chunk),
    /// A tree or recipe.
    Text(Named, Vec<u8>),
}

impl Held {
    const fn named(&self) -> Named {
        match self {
            Self::Content(Content { id, .. }) | Self::Chunk(Chunk { id, .. }) => {
                (ObjectKind::Blob, *id)
            }
            Self::Text(named, _) => *named,
        }
    }

    fn bytes(&self) -> u64 {
        let bytes = match self {
            Self::Content(content) => content.bytes.len(),
            Self::Chunk(chunk) => chunk.frame.raw_bytes(),
            Self::Text(_, text) => text.len(),
        };
        bytes as u64 + CONTENT_BYTES_EXTRA
    }
}

impl<'a, 'scope> Outgoing<'a, 'scope> {
    pub(super) fn new(
        scope: &'a Threads<'scope>,
        outbox: Outbox,
        asking: Asking<'a>,
        window_bytes: u64,
    ) -> Self {
        Self {
            packer: Packer::new(outbox, scope),
            asking,
            mode: Mode::Hold,
            window: Vec::new(),
            held_bytes: 0,
            window_bytes,
            texts: Texts::default(),
        }
    }

    /// Packs what the other side lacks of a source.
    pub(super) fn send(
        &mut self,
        scope: &Threads<'scope>,
        source: &'scope Source,
        progress: &'scope dyn Progress,
    ) -> Result<Written> {
        let (written, ids) = take_all(scope, source, self, progress)?;
        self.settle()?;
        let texts = mem::take(&mut self.texts);
        let lacking = Lacking::of(written.tree, &texts, &mut self.asking)?;
        if !lacking.blobs.is_empty() {
            let is_wanted = wanted(&ids, &lacking, &texts)?;
            progress.expect(source.bytes_of(&is_wanted));
            for id in &lacking.blobs {
                self.packer.sink().want((ObjectKind::Blob, *id));
            }
            take_again(
                scope,
                source,
                (&ids, &is_wanted),
                &mut self.packer,
                progress,
            )?;
        }
        for (kind, id) in lacking.texts {
            self.packer.sink().want((kind, id));
            self.packer.take_text(kind, id, texts.get((kind, id))?)?;
        }
        Ok(written)
    }

    /// Sends the last packs; tells what was sent, and how often the other side was asked.
    pub(super) fn finish(self) -> Result<Sent> {
        let sent = self.packer.finish()?.finish()?;
        Ok(Sent {
            requests: self.asking.requests(),
            ..sent
        })
    }

    fn hold(&mut self, held: Held) -> Result<()> {
        if self.mode == Mode::Look {
            if let Held::Text(named, text) = held {
                self.texts.add(named, text);
            }
            return Ok(());
        }
        self.held_bytes += held.bytes();
        self.window.push(held);
        if self.held_bytes < self.window_bytes {
            return Ok(());
        }
        self.settle()
    }

    /// Asks about what is held, packs what is lacking of it, and lets the rest go.
    fn settle(&mut self) -> Result<()> {
        let held = mem::take(&mut self.window);
        self.held_bytes = 0;
        let named = held.iter().map(Held::named);
        let objects: Vec<Named> = named.filter(|named| self.asking.is_new(*named)).collect();
        let missing = self.asking.missing(&objects)?;
        let mut wanted = 0;
        for (object, _) in objects.iter().zip(missing).filter(|(_, missing)| *missing) {
            self.packer.sink().want(*object);
            wanted += 1;
        }
        if wanted * 2 < objects.len() {
            self.mode = Mode::Look;
        }
        for held in held {
            match held {
                Held::Content(content) => self.packer.take(content)?,
                Held::Chunk(chunk) => self.packer.take_chunk(chunk)?,
                Held::Text((kind, id), text) => self.packer.take_text(kind, id, &text)?,
            }
        }
        Ok(())
    }
}

/// Which files are to be read again: one of each lacking content, and the large files with lacking chunks.
fn wanted(ids: &[Hash], lacking: &Lacking, texts: &Texts) -> Result<Vec<bool>> {
    let mut contents = lacking.blobs.clone();
    let is_wanted = |id: &Hash| Ok(contents.remove(id) || texts.leads_to(*id, &lacking.blobs)?);
    ids.iter().map(is_wanted).collect()
}

impl ContentSink for Outgoing<'_, '_> {
    fn expect(&mut self, _contents: usize) {}

    fn take(&mut self, content: Content) -> Result<()> {
        self.hold(Held::Content(content))
    }

    fn take_chunk(&mut self, chunk: Chunk) -> Result<()> {
        self.hold(Held::Chunk(chunk))
    }

    fn take_recipe(&mut self, recipe: &Recipe) -> Result<()> {
        let named = (ObjectKind::Recipe, recipe.blob().hash());
        self.hold(Held::Text(named, recipe.encode()))
    }
}

impl TreeSink for Outgoing<'_, '_> {
    fn put(&mut self, tree: TreeRef, text: Vec<u8>, _: Node) -> Result<()> {
        self.hold(Held::Text((ObjectKind::Tree, tree.id.hash()), text))
    }
}
