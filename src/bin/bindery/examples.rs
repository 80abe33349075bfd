//! The text after the help of a command.

/// The text after the help of a command: examples, and where the exit codes are explained.
macro_rules! examples {
    ($($line:literal)*) => {
        concat!("Examples:\n", $("  ", $line, "\n",)* "\nExit codes: 'bindery help exit-codes'")
    };
}
pub(crate) use examples;
