//! The token: blocks in a chain, under one tag. Its text is
//! `bnd1_<key id>_<base64url of the blocks>_<tag in hex digits>`, where an empty line stands between two blocks.
//!
//! # Invariants
//!
//! - The first block states an id, an end, capabilities, repos and refs; no block is empty.
//! - A token has at most [`TOKEN_BLOCKS_MAX`] blocks and [`TOKEN_BYTES_MAX`] bytes.
//! - What parses is written as it was read. The tag, which makes it a secret, is shown by [`Token::to_text`] alone.
//!
//! # Not here
//!
//! Making and verifying one with the key (`trust::token::key`).

use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use zeroize::Zeroizing;

use super::block::Block;
use super::error::{Dimension, TokenError};
use super::id::KeyId;
use crate::base::id::Hash;
use crate::base::keyed_hash::{KEY_BYTES, keyed_hash};
use crate::base::limits::{TOKEN_BLOCKS_MAX, TOKEN_BYTES_MAX};

/// How the text begins.
const START: &str = "bnd1_";
/// What stands between two blocks: with the LF that ends a block, an empty line.
const BETWEEN: &str = "\n";
/// Bytes of the text beside the blocks: the start, 16 and 64 digits, and two underscores.
const FRAME_BYTES: usize = START.len() + 16 + 1 + 1 + 2 * KEY_BYTES;

/// The keyed hash at the end of a chain; whoever knows it can go on with the chain. Wiped when it is dropped.
pub(super) type Tag = Zeroizing<[u8; KEY_BYTES]>;

/// A token: a claim to be allowed something, which the server's key can check.
///
/// Its text is a secret. Nothing else shows the tag:
///
/// ```
/// # use bindery::trust::token::{Block, Token, TokenKey};
/// # let block = "id 00112233445566778899aabbccddeeff\nexp 2026-11-27T04:00:00Z\ncan stage\nrepo main\nref *\n";
/// # let key = TokenKey::generate()?;
/// # let token = key.issue(block.parse()?)?;
/// let text = token.to_text();
/// let tag = text.rsplit('_').next().unwrap_or_default();
/// assert!(!format!("{token:?}").contains(tag));
/// assert_eq!(*Token::parse(&text)?.to_text(), *text);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Token {
    key_id: KeyId,
    blocks: Vec<Block>,
    tag: Tag,
}

impl Token {
    /// Reads the text of a token. It is not known to be genuine before [`TokenKey::verify`](super::TokenKey::verify).
    ///
    /// # Errors
    ///
    /// [`TokenError`] says what is wrong with it, and never shows the tag.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        check_length(text.len())?;
        let rest = text.strip_prefix(START).ok_or(TokenError::Form)?;
        let (key_id, rest) = rest.split_once('_').ok_or(TokenError::Form)?;
        let (payload, digits) = rest.rsplit_once('_').ok_or(TokenError::Form)?;
        let key_id = key_id.parse().map_err(|_| TokenError::KeyId)?;
        let tag = Hash::from_digits(digits.as_bytes()).map_err(|_| TokenError::Tag)?;
        let payload = decode_payload(payload)?;
        Ok(Self {
            key_id,
            blocks: parse_blocks(&payload)?,
            tag: Zeroizing::new(*tag.as_bytes()),
        })
    }

    /// Makes the first block of a chain, with its tag.
    pub(super) fn begin(key_id: KeyId, block: Block, tag: Tag) -> Result<Self, TokenError> {
        check_first(&block)?;
        let token = Self {
            key_id,
            blocks: vec![block],
            tag,
        };
        check_length(token.text_bytes())?;
        Ok(token)
    }

    /// Adds a block: what the new token allows, this one and the block allow. It needs no key and asks nobody.
    ///
    /// # Errors
    ///
    /// [`TokenError::EmptyBlock`] if the block restricts nothing, [`TokenError::TooManyBlocks`] and [`TokenError::TooLong`]
    /// if the token would be none.
    pub fn narrow(&self, block: Block) -> Result<Self, TokenError> {
        let place = self.blocks.len();
        if block.is_empty() {
            return Err(TokenError::EmptyBlock { block: place });
        }
        check_count(place + 1)?;
        let tag = next_tag(&self.tag, &block);
        let mut blocks = self.blocks.clone();
        blocks.push(block);
        let token = Self {
            key_id: self.key_id,
            blocks,
            tag,
        };
        check_length(token.text_bytes())?;
        Ok(token)
    }

    /// The text, which is the secret. It is wiped from memory when dropped.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let payload = Base64UrlUnpadded::encode_string(self.payload().as_bytes());
        let tag = Zeroizing::new(Hash::from_bytes(*self.tag).to_string());
        let key_id = self.key_id.to_string();
        // All parts at once, so that no shorter buffer with the tag is left behind.
        Zeroizing::new([START, &key_id, "_", &payload, "_", &tag].concat())
    }

    /// The key that it claims to be made with.
    #[must_use]
    pub const fn key_id(&self) -> KeyId {
        self.key_id
    }

    /// The blocks, the first one first.
    #[must_use]
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    pub(super) const fn tag(&self) -> &Tag {
        &self.tag
    }

    fn payload(&self) -> String {
        let blocks: Vec<String> = self.blocks.iter().map(Block::to_string).collect();
        blocks.join(BETWEEN)
    }

    fn text_bytes(&self) -> usize {
        FRAME_BYTES + Base64UrlUnpadded::encoded_len(self.payload().as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, blocks) = (self.key_id, &self.blocks);
        write!(f, "Token(key {key}, {blocks:?}, tag not shown)")
    }
}

/// The tag of the chain that ends with `block`, after one that ends with the tag `before`, or after the key.
pub(super) fn next_tag(before: &[u8; KEY_BYTES], block: &Block) -> Tag {
    Zeroizing::new(keyed_hash(before, block.to_string().as_bytes()))
}

fn check_length(bytes: usize) -> Result<(), TokenError> {
    if bytes > TOKEN_BYTES_MAX {
        return Err(TokenError::TooLong { bytes });
    }
    Ok(())
}

fn check_count(blocks: usize) -> Result<(), TokenError> {
    if blocks > TOKEN_BLOCKS_MAX {
        return Err(TokenError::TooManyBlocks { blocks });
    }
    Ok(())
}

fn check_first(block: &Block) -> Result<(), TokenError> {
    let mut mandatory = Dimension::MANDATORY.into_iter();
    match mandatory.find(|dimension| !block.states(*dimension)) {
        Some(dimension) => Err(TokenError::Incomplete { dimension }),
        None => Ok(()),
    }
}

/// Decodes what has one spelling: the decoder refuses padding, other digits, and bits that are left over.
fn decode_payload(payload: &str) -> Result<String, TokenError> {
    let bytes = Base64UrlUnpadded::decode_vec(payload).map_err(|_| TokenError::Base64)?;
    String::from_utf8(bytes).map_err(|_| TokenError::NotText)
}

/// Reads blocks between empty lines.
fn parse_blocks(payload: &str) -> Result<Vec<Block>, TokenError> {
    // Every block ends in LF, so one more LF begins the next.
    let texts: Vec<&str> = payload.split("\n\n").collect();
    check_count(texts.len())?;
    let last = texts.len() - 1;
    let mut blocks = Vec::new();
    for (place, text) in texts.into_iter().enumerate() {
        let block = if place == last {
            Block::parse(text, place)?
        } else {
            Block::parse(&format!("{text}\n"), place)?
        };
        blocks.push(block);
    }
    blocks.first().map_or(Ok(()), check_first)?;
    Ok(blocks)
}
