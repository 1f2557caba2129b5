//! The symbols: drawn, because a state is a symbol and a word, and never a colour alone.

use evaluation::report::State;
use maud::{Markup, PreEscaped, html};

fn drawn(class: &str, marks: &'static str) -> Markup {
    html! {
        svg class={ "symbol " (class) } viewBox="0 0 32 32" width="1em" height="1em" aria-hidden="true" {
            (PreEscaped(marks))
        }
    }
}

/// Of a verdict.
pub(super) fn state(state: State) -> Markup {
    match state {
        State::Ok => drawn("ok", r#"<circle cx="16" cy="16" r="13"/><path d="M10 16.5l4.2 4.2L22.5 12"/>"#),
        State::Provisional | State::Nothing => wait(),
        State::RolledBack => back(),
        State::Look => look(),
    }
}

/// What cannot be said yet.
pub(super) fn wait() -> Markup {
    drawn("wait", r#"<circle cx="16" cy="16" r="13" stroke-dasharray="6 3.5"/><path d="M16 8.5V16l5 4"/>"#)
}

/// What is to be looked at.
pub(super) fn look() -> Markup {
    drawn("look", r#"<path d="M16 4L30 28H2Z"/><path d="M16 13v7M16 23.6v.6"/>"#)
}

/// The version before again.
pub(super) fn back() -> Markup {
    drawn("look", r#"<path d="M11 6L5 12l6 6M5 12h14a7 7 0 0 1 0 14h-7"/>"#)
}

/// Another version.
pub(super) fn swap() -> Markup {
    drawn("swap", r#"<path d="M5 11h20l-5-5M27 21H7l5 5"/>"#)
}

/// What has ended.
pub(super) fn over() -> Markup {
    drawn("over", r#"<path d="M6 16.5l6 6L26 9"/>"#)
}
