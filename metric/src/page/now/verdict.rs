//! Whether it is well, in a word and a sentence, what to do, and the four answers.

use evaluation::number::{count, duration};
use evaluation::report::{Answer, Question, Report};
use maud::{Markup, html};

use super::named;
use crate::page::layout::word;
use crate::page::symbol;
use crate::page::words::Zone;

pub(super) fn section(report: &Report, zone: Zone) -> Markup {
    let verdict = &report.verdict;
    let version = verdict.version.and_then(|at| report.versions.get(at));
    html! {
        section id="verdict" class="verdict" data-live {
            h1 class=[matches!(verdict.state, evaluation::report::State::Look | evaluation::report::State::RolledBack).then_some("look")] {
                (symbol::state(verdict.state)) " " (word(verdict.state))
            }
            div {
                p class="sentence" { (verdict.sentence) }
                p class="todo" { (verdict.advice) }
                @if let Some(command) = &verdict.command { div class="command" { code { (command) } button type="button" data-copy { "Copy" } } }
                @if let Some(version) = version {
                    p class="hint" {
                        (named(version))
                        @if let Some(first) = version.first_predicted {
                            " serves since " (zone.time(first)) " (" (duration(report.at.0.saturating_sub(first.0).max(0))) ")"
                        }
                        ": " (count(version.rows.predicted + version.rows.anonymous)) " predictions, "
                        (count(version.rows.labelled)) " with their label"
                    }
                }
                @if let Some(gap) = report.gap {
                    p class="hint" {
                        "Commits " (gap.first) " to " (gap.last) " are forgotten (see --retain): this is of what came later."
                    }
                }
            }
        }
    }
}

pub(super) fn answers(report: &Report) -> Markup {
    let asked = |question: Question| match question {
        Question::HowGood => ("How good is it?", "#good"),
        Question::Trust => ("Can I trust that?", "#trust"),
        Question::Changed => ("What changed?", "#changed"),
        Question::Better => ("Which version is better?", "#versions"),
    };
    let judged = report.verdict.version.and_then(|at| report.versions.get(at));
    let is_scored = judged.is_some_and(|version| version.scores.last_rows.mae.is_some());
    let one = |of: &Answer| {
        let (question, place) = asked(of.question);
        html! {
            li { a href=(place) {
                span class="asked" { (question) }
                span class="answer" {
                    (of.answer)
                    @if of.question == Question::HowGood && is_scored { " " span class="hint" { "MAE" } }
                }
                span class="reason" { (of.reason) }
            } }
        }
    };
    html! {
        section class="four" id="answers" data-live aria-label="Four answers" {
            ul class="answers" { @for answer in &report.answers { (one(answer)) } }
        }
    }
}
