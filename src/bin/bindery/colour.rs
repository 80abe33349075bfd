//! Colours: a few words stand out on a terminal, and nowhere else.

use std::fmt::Display;
use std::io::IsTerminal;

use crate::globals::ColourChoice;

/// Whether what is written to one stream has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// It has.
    On,
    /// It has not.
    Off,
}

/// What a text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Something failed, or is lost: red.
    Bad,
    /// Something is there, or new: green.
    Good,
    /// Something changed, or wants care: yellow.
    Changed,
    /// Something to do next: cyan.
    Advice,
    /// What was typed: bold.
    Strong,
}

impl Colours {
    /// Decides for a stream.
    pub fn of(choice: ColourChoice, stream: &impl IsTerminal) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let plain = set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        match choice {
            ColourChoice::Always => Self::On,
            ColourChoice::Auto if stream.is_terminal() && !plain => Self::On,
            ColourChoice::Auto | ColourChoice::Never => Self::Off,
        }
    }

    /// Colours a text.
    pub fn paint(self, tone: Tone, text: impl Display) -> String {
        let code = match tone {
            Tone::Bad => "1;31",
            Tone::Good => "32",
            Tone::Changed => "33",
            Tone::Advice => "36",
            Tone::Strong => "1",
        };
        match self {
            Self::On => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Off => text.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_overrules_the_terminal() {
        let file = std::io::stdin();
        assert_eq!(Colours::of(ColourChoice::Always, &file), Colours::On);
        assert_eq!(Colours::of(ColourChoice::Never, &file), Colours::Off);
    }

    #[test]
    fn without_colours_a_text_is_what_it_was() {
        assert_eq!(Colours::Off.paint(Tone::Bad, "error"), "error");
        assert_eq!(
            Colours::On.paint(Tone::Bad, "error"),
            "\x1b[1;31merror\x1b[0m"
        );
    }
}
