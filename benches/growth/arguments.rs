//! What to measure, from the words after `--`.

use crate::common::Outcome;

/// Objects of the stores when `--objects` is not given.
const OBJECTS_DEFAULT: [u64; 2] = [1_000, 10_000];

/// Bytes of the large file when `--bytes` is not given.
const BYTES_DEFAULT: u64 = 64_000_000;

/// Files of the trees when `--files` is not given.
const FILES_DEFAULT: u64 = 2_000;

/// Fewest files: each of several builds or copies needs some.
const FILES_MIN: u64 = 100;

/// Something to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Row {
    /// Purging a build, by what else the store holds.
    Purge,
    /// Committing and publishing a small change, by what else the store holds.
    Publish,
    /// Retiring a release, by what dies and by what else the store holds.
    Retire,
    /// Opening a store, by what it holds.
    Open,
    /// Staging one large file.
    LargeFile,
    /// Staging many tiny files.
    Tiny,
    /// Staging files that are alike.
    Duplicated,
    /// Staging several builds at once.
    Together,
}

impl Row {
    const ALL: [(&'static str, Self); 8] = [
        ("purge", Self::Purge),
        ("publish", Self::Publish),
        ("retire", Self::Retire),
        ("open", Self::Open),
        ("large-file", Self::LargeFile),
        ("tiny", Self::Tiny),
        ("duplicated", Self::Duplicated),
        ("together", Self::Together),
    ];

    fn parse(text: &str) -> Option<Self> {
        let mut rows = Self::ALL.iter();
        rows.find(|(name, _)| *name == text).map(|(_, row)| *row)
    }

    /// Whether it is measured in stores that are filled first.
    pub const fn needs_stock(self) -> bool {
        matches!(
            self,
            Self::Purge | Self::Publish | Self::Retire | Self::Open
        )
    }
}

/// What to measure, and how large.
#[derive(Debug)]
pub struct Arguments {
    /// The rows, in the order in which they were named.
    pub rows: Vec<Row>,
    /// Objects of each store.
    pub objects: Vec<u64>,
    /// Bytes of the large file.
    pub bytes: u64,
    /// Files of the trees.
    pub files: u64,
}

impl Arguments {
    /// Reads the words. Without a row, all are meant.
    ///
    /// # Errors
    ///
    /// One that says what there is, if a word is something else.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut arguments = Self {
            rows: Vec::new(),
            objects: OBJECTS_DEFAULT.into(),
            bytes: BYTES_DEFAULT,
            files: FILES_DEFAULT,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a number"));
            match word.as_str() {
                // What cargo says to every bench.
                "--bench" => {}
                "--objects" => {
                    let numbers = value()?;
                    let numbers = numbers.split(',').map(str::parse);
                    arguments.objects = numbers.collect::<Result<_, _>>()?;
                }
                "--bytes" => arguments.bytes = value()?.parse()?,
                "--files" => arguments.files = value()?.parse::<u64>()?.max(FILES_MIN),
                _ => arguments
                    .rows
                    .push(Row::parse(&word).ok_or_else(|| unknown(&word))?),
            }
        }
        if arguments.rows.is_empty() {
            arguments.rows = Row::ALL.map(|(_, row)| row).into();
        }
        Ok(arguments)
    }
}

fn unknown(word: &str) -> String {
    let rows = Row::ALL.map(|(name, _)| name).join(", ");
    format!("what is {word}? There are {rows}, and --objects N,N,... --bytes N --files N")
}
