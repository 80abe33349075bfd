//! Why a text is no token, or a token cannot be made. No message shows a tag.

use std::fmt;

use crate::base::Error;
use crate::base::limits::{TOKEN_BLOCKS_MAX, TOKEN_BYTES_MAX};

/// What a line of a block is about, in the order of the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The block's id.
    Id,
    /// Until when.
    Expires,
    /// Which capabilities.
    Can,
    /// Which repos.
    Repo,
    /// Which refs, by prefix.
    Ref,
    /// Which builds.
    Build,
    /// Beneath which path.
    Path,
    /// How many bytes.
    Bytes,
}

impl Dimension {
    /// All of them, in order.
    pub const ALL: [Self; 8] = [
        Self::Id,
        Self::Expires,
        Self::Can,
        Self::Repo,
        Self::Ref,
        Self::Build,
        Self::Path,
        Self::Bytes,
    ];

    /// Those that the first block must state.
    pub const MANDATORY: [Self; 5] = [Self::Id, Self::Expires, Self::Can, Self::Repo, Self::Ref];

    /// The word that begins its line.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Expires => "exp",
            Self::Can => "can",
            Self::Repo => "repo",
            Self::Ref => "ref",
            Self::Build => "build",
            Self::Path => "path",
            Self::Bytes => "bytes",
        }
    }

    /// What its value looks like.
    const fn form(self) -> &'static str {
        match self {
            Self::Id => "32 lower-case hex digits",
            Self::Expires => "a time, YYYY-MM-DDThh:mm:ssZ",
            Self::Can => "capabilities such as 'stage commit', or '*'",
            Self::Repo => "names of repos, or '*'",
            Self::Ref => "prefixes of refs, or '*'",
            Self::Build => "numbers of builds, or '*'",
            Self::Path => "a path in a tree, without slashes at its ends",
            Self::Bytes => "a number of bytes",
        }
    }
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Why a text is no token, or a token cannot be made. Blocks are counted from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Larger than any.
    #[error(
        "the token has {bytes} bytes, the limit is {TOKEN_BYTES_MAX}: create a narrow one instead of narrowing a wide one often"
    )]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Narrowed more often than any.
    #[error(
        "the token has {blocks} blocks, the limit is {TOKEN_BLOCKS_MAX}: narrow the one that it was made from instead"
    )]
    TooManyBlocks {
        /// How many there are.
        blocks: usize,
    },
    /// It does not have the four parts of a token.
    #[error(
        "it is not of the form bnd1_KEY_BLOCKS_TAG: copy the whole line that 'bindery token create' printed"
    )]
    Form,
    /// The second part is no id of a key.
    #[error("its second part is not the 16 hex digits of a key's id: copy the token again")]
    KeyId,
    /// The last part is no tag.
    #[error("its last part is not the 64 hex digits of a tag: copy the token again, to its end")]
    Tag,
    /// The third part is not base64 in its one spelling.
    #[error("its third part is not canonical base64url without padding: copy the token again")]
    Base64,
    /// The third part decodes to something that is no text.
    #[error("its blocks are not UTF-8: only 'bindery token' writes blocks")]
    NotText,
    /// A block says nothing.
    #[error("block {block} says nothing: give it at least one line, or leave it out")]
    EmptyBlock {
        /// Which.
        block: usize,
    },
    /// A line of a block does not end.
    #[error("block {block} does not end in LF: every line of a block does")]
    Unended {
        /// Which.
        block: usize,
    },
    /// A line is about something unknown.
    #[error(
        "block {block} has a line {line:?}: this version knows id, exp, can, repo, ref, build, path and bytes, and may be too old"
    )]
    UnknownLine {
        /// Which.
        block: usize,
        /// The first characters of the line.
        line: String,
    },
    /// Two lines are about the same.
    #[error(
        "block {block} has two lines '{dimension}': put what is to be restricted twice into two blocks"
    )]
    Repeated {
        /// Which.
        block: usize,
        /// What both are about.
        dimension: Dimension,
    },
    /// A line has no value.
    #[error("block {block} has no value for '{dimension}': it takes {}", dimension.form())]
    EmptyValue {
        /// Which.
        block: usize,
        /// What the line is about.
        dimension: Dimension,
    },
    /// A value is not what its dimension takes.
    #[error("block {block} has a wrong value for '{dimension}': it takes {}", dimension.form())]
    BadValue {
        /// Which.
        block: usize,
        /// What the line is about.
        dimension: Dimension,
    },
    /// A block is written in another spelling than the one it has.
    #[error(
        "block {block} is not in its one spelling, with lines in the order id exp can repo ref build path bytes and sorted values: only 'bindery token' writes blocks"
    )]
    NotCanonical {
        /// Which.
        block: usize,
    },
    /// The first block leaves something open.
    #[error("the first block does not state '{dimension}': write '*' where everything is meant")]
    Incomplete {
        /// What.
        dimension: Dimension,
    },
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        Self::malformed("token", error.to_string())
    }
}

/// Characters of a line that are shown.
const SHOWN_CHARACTERS_MAX: usize = 40;

/// The beginning of a line, for a message.
pub(super) fn shown(line: &str) -> String {
    line.chars().take(SHOWN_CHARACTERS_MAX).collect()
}
