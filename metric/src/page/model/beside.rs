//! Two versions beside each other: what their cards say, and how they do.

use evaluation::number::{Decimals, count};
use maud::{Markup, html};
use shared::printable::within;

use super::{Card, Column, LONGEST, Version};
use crate::page::words::{number, signed};

pub(super) fn section(one: &Version<'_>, other: &Version<'_>) -> Markup {
    html! {
        section id="beside" aria-labelledby="beside-h" {
            div class="words" {
                h2 id="beside-h" { "Beside another" }
                p { code { (one.id.tag()) } " and " code { (other.id.tag()) } }
                p class="hint" { "Each has predicted its own rows, so what they do in use is a hint: another time may have had other rows." }
            }
            div {
                (facts(one, other))
                @if !one.card.columns.is_empty() || !other.card.columns.is_empty() { (weights(&one.card, &other.card)) }
            }
        }
    }
}

fn head(one: &Version<'_>, other: &Version<'_>) -> Markup {
    html! { thead { tr { td {} th scope="col" class="number" { code { (one.id.tag()) } } th scope="col" class="number" { code { (other.id.tag()) } } } } }
}

fn facts(one: &Version<'_>, other: &Version<'_>) -> Markup {
    let text = |of: Option<&String>| of.map(|text| within(text, LONGEST));
    let mae = |version: &Version<'_>| version.live.and_then(|live| live.scores.since_first.mae);
    let each = |of: &dyn Fn(&Version<'_>) -> Option<String>| [of(one), of(other)];
    let rows: [(&str, [Option<String>; 2]); 10] = [
        ("made at", each(&|of| text(of.card.made_at.as_ref()))),
        ("algorithm", each(&|of| text(of.card.algorithm.as_ref()))),
        ("table", each(&|of| text(of.card.data.as_ref()))),
        ("rows it was fitted to", each(&|of| of.card.rows.map(count))),
        ("held out: MAE", each(&|of| of.card.holdout.mae.map(number))),
        ("held out: RMSE", each(&|of| of.card.holdout.rmse.map(number))),
        ("held out: R²", each(&|of| of.card.holdout.r2.map(|r2| Decimals::fixed(2).plain(r2)))),
        ("in use: MAE", each(&|of| mae(of).map(|mae| mae.written().0))),
        ("in use: 95 % interval", each(&|of| mae(of).and_then(|mae| mae.written().1))),
        ("in use: labels", each(&|of| of.live.map(|live| count(live.rows.labelled)))),
    ];
    html! {
        div class="figure scroll" tabindex="0" role="region" aria-label="What they are" {
            table {
                (head(one, other))
                tbody { @for (name, [one, other]) in &rows { @if one.is_some() || other.is_some() {
                    tr { th scope="row" { (name) } td class="number" { (shown(one.clone())) } td class="number" { (shown(other.clone())) } }
                } } }
            }
        }
    }
}

fn shown(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

/// A feature of either, with what each makes of it.
type Pair<'a> = (&'a str, Option<&'a Column>, Option<&'a Column>);

/// Features that either has, those whose effect differs most first.
fn pairs<'a>(one: &'a Card, other: &'a Card) -> Vec<Pair<'a>> {
    let find = |card: &'a Card, name: &str| card.columns.iter().find(|column| column.name == name);
    let mut pairs: Vec<Pair<'a>> = one
        .columns
        .iter()
        .map(|column| (column.name.as_str(), Some(column), find(other, &column.name)))
        .collect();
    let only = other.columns.iter().filter(|column| find(one, &column.name).is_none());
    pairs.extend(only.map(|column| (column.name.as_str(), None, Some(column))));
    let effect = |column: Option<&Column>| column.and_then(|column| column.effect).unwrap_or(0.0);
    let difference = |(_, one, other): &Pair<'_>| (effect(*one) - effect(*other)).abs();
    pairs.sort_by(|one, other| difference(other).total_cmp(&difference(one)));
    pairs
}

fn weights(one: &Card, other: &Card) -> Markup {
    let of = |column: Option<&Column>, value: fn(&Column) -> Option<f64>| {
        column.map_or_else(
            || "not used".to_owned(),
            |column| value(column).map_or_else(|| "–".to_owned(), signed),
        )
    };
    let effect: fn(&Column) -> Option<f64> = |column| column.effect;
    let weight: fn(&Column) -> Option<f64> = |column| column.weight;
    html! {
        div class="figure scroll" tabindex="0" role="region" aria-label="What they weigh" {
            table {
                thead {
                    tr { th scope="col" { "Feature" } th scope="colgroup" colspan="2" class="number" { "Weight" } th scope="colgroup" colspan="2" class="number" { "Effect from low to high" } }
                }
                tbody { @for (name, one, other) in pairs(one, other) {
                    tr {
                        th scope="row" { (name) }
                        td class="number" { (of(one, weight)) } td class="number" { (of(other, weight)) }
                        td class="number" { strong { (of(one, effect)) } } td class="number" { strong { (of(other, effect)) } }
                    }
                } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_either_are_there_and_those_that_differ_most_come_first() {
        let column =
            |name: &str, effect: Option<f64>| Column { name: name.to_owned(), effect, ..Column::default() };
        let card = |columns: Vec<Column>| Card { columns, ..Card::default() };
        let one = card(vec![column("a", Some(1.0)), column("b", Some(5.0)), column("c", None)]);
        let other = card(vec![column("b", Some(-5.0)), column("a", Some(0.5)), column("d", Some(3.0))]);
        let said: Vec<_> = pairs(&one, &other)
            .iter()
            .map(|(name, one, other)| (*name, one.is_some(), other.is_some()))
            .collect();
        assert_eq!(said, [("b", true, true), ("d", false, true), ("a", true, true), ("c", true, false)]);
    }
}
