//! What a chart leaves free around its marks, for what stands beside them: the page has that in its style sheet, a sheet in pixels.

/// Words of `left`, `right`, `above` and `below`, as the classes of the page's frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room(pub(super) &'static str);

impl Room {
    fn has(self, side: &str) -> bool {
        self.0.split(' ').any(|word| word == side)
    }

    /// On a sheet: for the numbers of the axis.
    pub(super) fn left(self) -> f64 {
        if self.has("left") { 72.0 } else { 24.0 }
    }

    /// For the names of lines.
    pub(super) fn right(self) -> f64 {
        if self.has("right") { 128.0 } else { 24.0 }
    }

    /// For marks that stand out at the top.
    pub(super) fn above(self) -> f64 {
        if self.has("above") { 38.0 } else { 14.0 }
    }

    /// For the numbers of the axis and its name.
    pub(super) fn below(self) -> f64 {
        if self.has("below") { 52.0 } else { 12.0 }
    }
}
