//! The shop's accent colour, and what becomes of it so that everybody can read it.
//!
//! Contrast is that of WCAG 2.2 (relative luminance; success criterion 1.4.3: 4.5:1 for text).

use std::{fmt, str::FromStr};

/// The least contrast between a text and what it stands on.
pub const LEAST_CONTRAST: f64 = 4.5;

/// An sRGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Colour([u8; 3]);

impl Colour {
    /// White.
    pub const WHITE: Self = Self([255; 3]);
    /// Black.
    pub const BLACK: Self = Self([0; 3]);
    /// The darkest of what an accent stands on by day: the paper of the customers' pages.
    const DAY: Self = Self([0xf5, 0xef, 0xe1]);
    /// The brightest of what it stands on by night: a chip in an e-mail.
    const NIGHT: Self = Self([0x2a, 0x30, 0x38]);

    /// The contrast with another colour, from 1 (the same) to 21 (black and white).
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// `share` of this colour (0 to 1) in another one.
    #[must_use]
    pub fn mixed(self, share: f64, into: Self) -> Self {
        let mut mixed = [0; 3];
        for (place, channel) in mixed.iter_mut().enumerate() {
            let [own, other] = [self.0[place], into.0[place]].map(f64::from);
            // Between the two, so it fits.
            *channel = (own * share + other * (1.0 - share)).round() as u8;
        }
        Self(mixed)
    }

    fn luminance(self) -> f64 {
        let linear = self.0.map(|channel| {
            let value = f64::from(channel) / 255.0;
            match value <= 0.04045 {
                true => value / 12.92,
                false => ((value + 0.055) / 1.055).powf(2.4),
            }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

    /// The nearest to this one, on the way to black or white, that can be read on `ground`.
    fn readable_on(self, ground: Self, towards: Self) -> Self {
        let steps = (0..=255).map(|step| towards.mixed(f64::from(step) / 255.0, self));
        let mut readable = steps.filter(|colour| colour.contrast(ground) >= LEAST_CONTRAST);
        readable.next().unwrap_or(towards)
    }
}

/// `#0a6647`
impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

/// A text that is no colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no colour like \"#0a6647\" or \"#064\"")]
pub struct NoColour(String);

impl FromStr for Colour {
    type Err = NoColour;

    /// Reads `#rrggbb` or `#rgb`, as CSS writes them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let none = || NoColour(text.to_owned());
        let digits = text.trim().strip_prefix('#').ok_or_else(none)?;
        let digits: Option<Vec<u8>> = digits
            .chars()
            .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
            .collect();
        match digits.as_deref() {
            Some([r, g, b]) => Ok(Self([r, g, b].map(|digit| digit * 17))),
            Some([r, s, g, h, b, c]) => Ok(Self([r * 16 + s, g * 16 + h, b * 16 + c])),
            _ => Err(none()),
        }
    }
}

/// The colour of links and buttons, by day and by night.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accent {
    /// On light grounds; white can be read on it.
    pub day: Colour,
    /// On dark grounds; black can be read on it.
    pub night: Colour,
}

impl Accent {
    /// From the shop's colour, which is made darker and brighter only as far as somebody could not read it otherwise.
    ///
    /// # Errors
    /// White cannot be read on it; the nearest colour on which it can.
    pub fn of(colour: Colour) -> Result<Self, Colour> {
        if colour.contrast(Colour::WHITE) < LEAST_CONTRAST {
            return Err(colour.readable_on(Colour::WHITE, Colour::BLACK));
        }
        Ok(Self {
            day: colour.readable_on(Colour::DAY, Colour::BLACK),
            night: colour.readable_on(Colour::NIGHT, Colour::WHITE),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn colour(text: &str) -> Colour {
        text.parse().unwrap()
    }

    #[test]
    fn colours_are_written_as_in_css() {
        assert_eq!(colour("#064").to_string(), "#006644");
        assert_eq!(colour(" #0A6647 ").to_string(), "#0a6647");
        for wrong in ["", "green", "#06", "#0a66470", "0a6647", "#0a664ж"] {
            assert!(wrong.parse::<Colour>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert_eq!(Colour::BLACK.contrast(Colour::WHITE), 21.0);
        assert_eq!(
            (colour("#767676").contrast(Colour::WHITE) * 100.0).round(),
            454.0
        );
        assert_eq!(
            (colour("#00aa66").contrast(Colour::WHITE) * 100.0).round(),
            303.0
        );
    }

    #[test]
    fn what_is_too_bright_is_told_with_the_nearest_that_is_not() {
        let nearest = Accent::of(colour("#00aa66")).unwrap_err();
        assert!(Accent::of(nearest).is_ok(), "{nearest}");
        let contrast = nearest.contrast(Colour::WHITE);
        assert!((4.5..4.6).contains(&contrast), "{nearest}: {contrast}");
        let dark = colour("#1f5c46");
        assert_eq!(Accent::of(dark).unwrap().day, dark, "it stays as it is");
    }

    proptest! {
        #[test]
        fn every_accent_can_be_read_by_day_and_by_night(channels in any::<[u8; 3]>()) {
            let accent = match Accent::of(Colour(channels)) {
                Ok(accent) => accent,
                Err(nearest) => Accent::of(nearest).unwrap(),
            };
            for (text, ground) in [
                (accent.day, Colour::WHITE),
                (accent.day, Colour::DAY),
                (accent.night, Colour::NIGHT),
                (accent.night, Colour::BLACK),
            ] {
                prop_assert!(text.contrast(ground) >= LEAST_CONTRAST, "{text} on {ground}");
            }
        }
    }
}
