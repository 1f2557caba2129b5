//! Cross-validation: which penalty predicts best what its fit has not seen.

use anyhow::{Context as _, bail, ensure};
use evaluation::scores::Scores;
use ndarray::Axis;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;

use super::TrainOptions;
use super::fit::{Algorithm, Centred, Recipe, fit};
use super::material::Material;
use crate::file::{Candidate, CrossValidation, Holdout};

/// How many penalties are tried where none are named.
const CANDIDATES: u32 = 13;
/// Into how many parts the rows are split for the errors out of fold, where no penalty is chosen.
const FOLDS: usize = 5;
/// The penalty where nothing else is said, as in scikit-learn.
const PENALTY: f64 = 1.0;

/// The recipe to fit with, and how it was chosen, if it was.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) recipe: Recipe,
    pub(super) cross_validation: Option<CrossValidation>,
    /// The errors of the recipe out of fold; none for too few rows, and a failure where a part cannot be left out.
    pub(super) errors: anyhow::Result<Option<Errors>>,
    /// The penalties that could not be fitted, and why.
    pub(super) unfitted: Vec<(f64, String)>,
}

/// Predictions minus labels, each by a fit that has not seen the row.
#[derive(Debug)]
pub(super) struct Errors {
    pub(super) errors: Vec<f64>,
    pub(super) folds: usize,
}

/// Chooses the penalty among those that the options name, or among some that span what can matter.
pub(super) fn choose(material: &Material, rows: &[usize], options: &TrainOptions) -> anyhow::Result<Choice> {
    let named = &options.penalty;
    let Some(folds) = options.cross_validate else {
        let recipe = options.recipe(named.first().copied().unwrap_or(PENALTY));
        let errors = if rows.len() < 2 * FOLDS {
            Ok(None)
        } else {
            let parts = parts(rows, FOLDS, options.seed);
            unseen(material, &parts, &recipe).map(|pairs| Some(errors(&pairs, FOLDS)))
        };
        return Ok(Choice { recipe, cross_validation: None, errors, unfitted: Vec::new() });
    };
    let folds = usize::try_from(folds)?;
    ensure!(folds <= rows.len(), "{} rows cannot be split into {folds} parts", rows.len());
    let mut penalties = match options.algorithm {
        Algorithm::Ols => vec![PENALTY],
        _ if !named.is_empty() => named.clone(),
        _ => {
            let design = material.design(rows, &material.encoding(rows)?);
            span(&Centred::of(&design, options.scale)?, &options.recipe(PENALTY))
        }
    };
    penalties.sort_by(|a, b| b.total_cmp(a));
    let parts = parts(rows, folds, options.seed);
    let mut candidates = Vec::new();
    let mut best: Option<(Recipe, f64, Errors)> = None;
    let (mut failure, mut unfitted) = (None, Vec::new());
    for penalty in penalties {
        let recipe = options.recipe(penalty);
        match unseen(material, &parts, &recipe) {
            Ok(pairs) => {
                let scores = Holdout::from(&Scores::of(pairs.iter().copied()));
                if best.as_ref().is_none_or(|(_, rmse, _)| scores.rmse < *rmse) {
                    best = Some((recipe, scores.rmse, errors(&pairs, folds)));
                }
                let penalty = (recipe.algorithm != Algorithm::Ols).then_some(recipe.penalty);
                candidates.push(Candidate { penalty, scores });
            }
            // A penalty that cannot be fitted is no candidate; where none can be, the last one says why.
            Err(why) => {
                unfitted.push((penalty, format!("{why:#}")));
                failure = Some(why);
            }
        }
    }
    match (best, failure) {
        (Some((recipe, _, errors)), _) => {
            let cross_validation = Some(CrossValidation { folds, candidates });
            Ok(Choice { recipe, cross_validation, errors: Ok(Some(errors)), unfitted })
        }
        (None, Some(why)) => Err(why),
        (None, None) => bail!("there is no penalty to try"),
    }
}

/// Penalties from where hardly any weight is left down to where they hardly matter, in equal ratios.
///
/// With a part s of the penalty on the weights' sizes, all weights are zero from max |x.y| / (n s) on. Ridge halves the
/// weight of a column of the mean square sum when its penalty is that sum.
fn span(data: &Centred, recipe: &Recipe) -> Vec<f64> {
    let rows = data.x.nrows() as f64;
    let l1_ratio = recipe.effective_l1_ratio();
    let (largest, decades) = if l1_ratio > 0.0 {
        let steepest = data.x.t().dot(&data.y).iter().fold(0.0_f64, |most, slope| most.max(slope.abs()));
        (steepest / (rows * l1_ratio), 4.0)
    } else {
        let squares = data.x.map(|value| value * value).sum_axis(Axis(0));
        (100.0 * squares.mean().unwrap_or(1.0), 6.0)
    };
    // Labels that do not depend on anything leave nothing to choose.
    let largest = if largest > 0.0 && largest.is_finite() { largest } else { PENALTY };
    (0..CANDIDATES)
        .map(|i| largest * 10_f64.powf(-decades * f64::from(i) / f64::from(CANDIDATES - 1)))
        .collect()
}

/// Splits row indices at random into parts whose sizes differ by one at the most.
fn parts(rows: &[usize], folds: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut shuffled = rows.to_vec();
    shuffled.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut parts = vec![Vec::new(); folds];
    for (at, row) in shuffled.into_iter().enumerate() {
        parts[at % folds].push(row);
    }
    parts
}

/// The labels of all parts, each with its prediction by a fit to the others. What is filled and encoded is learned from the
/// others, too; a row with a category that none of them has is left out.
fn unseen(material: &Material, parts: &[Vec<usize>], recipe: &Recipe) -> anyhow::Result<Vec<(f64, f64)>> {
    let mut pairs = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let others: Vec<usize> =
            parts[..number].iter().chain(&parts[number + 1..]).flatten().copied().collect();
        let without = || format!("without part {} of {}", number + 1, parts.len());
        let encoding = material.encoding(&others).with_context(without)?;
        let linear = fit(&material.design(&others, &encoding), recipe).with_context(without)?;
        let part = material.design(part, &encoding);
        let predictions = linear.predict(&part.vectors());
        pairs.extend(part.labels.into_iter().zip(predictions));
    }
    Ok(pairs)
}

fn errors(pairs: &[(f64, f64)], folds: usize) -> Errors {
    Errors { errors: pairs.iter().map(|(label, prediction)| prediction - label).collect(), folds }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use rand::RngExt as _;
    use shared::table::{Columns, Missing};

    use super::*;

    /// Labels of one feature among many that say nothing, with noise.
    fn noisy() -> Material {
        let mut text = "a,b,c,d,e,f,g,h,y\n".to_owned();
        let mut random = StdRng::seed_from_u64(1);
        for _ in 0..60 {
            let cells: [f64; 8] = random.random();
            let label = 2.0 * cells[0] + 3.0 * random.random::<f64>();
            for cell in &cells {
                write!(text, "{cell},").unwrap();
            }
            writeln!(text, "{label}").unwrap();
        }
        Material::parse(&text, &Columns::target("y"))
    }

    fn options(algorithm: Algorithm, penalty: &[f64], folds: u64) -> TrainOptions {
        let plain = TrainOptions::plain(Path::new("t.csv"), Columns::target("y"), Path::new("m.json"));
        TrainOptions { algorithm, penalty: penalty.into(), cross_validate: Some(folds), ..plain }
    }

    #[test]
    fn every_row_is_predicted_once_by_a_fit_that_has_not_seen_it() {
        let rows: Vec<usize> = (10..60).collect();
        let parts = parts(&rows, 7, 1);
        assert!(parts.iter().all(|part| (7..=8).contains(&part.len())));
        let mut all = parts.concat();
        all.sort_unstable();
        assert_eq!(all, rows);
        let choice = choose(&noisy(), &rows, &options(Algorithm::Ols, &[], 7)).unwrap();
        let Errors { errors, folds } = choice.errors.unwrap().unwrap();
        assert_eq!((errors.len(), folds), (50, 7));
        let candidates = choice.cross_validation.unwrap().candidates;
        let mae = errors.iter().map(|error| error.abs()).sum::<f64>() / 50.0;
        assert!((candidates[0].scores.mae - mae).abs() < 1e-12);
        assert_eq!(candidates.len(), 1);
        assert_eq!((candidates[0].penalty, candidates[0].scores.rows), (None, 50));
    }

    #[test]
    fn the_penalty_with_the_smallest_error_is_chosen() {
        let (table, rows) = (noisy(), (0..60).collect::<Vec<_>>());
        for algorithm in [Algorithm::Ridge, Algorithm::Lasso, Algorithm::ElasticNet] {
            let choice = choose(&table, &rows, &options(algorithm, &[], 5)).unwrap();
            let candidates = choice.cross_validation.unwrap().candidates;
            assert_eq!(candidates.len(), CANDIDATES as usize);
            assert!(candidates.windows(2).all(|pair| pair[0].penalty > pair[1].penalty));
            let best = candidates.iter().min_by(|a, b| a.scores.rmse.total_cmp(&b.scores.rmse)).unwrap();
            assert_eq!(best.penalty, Some(choice.recipe.penalty));
            // Neither end is the best one here, so the penalties span what matters.
            let (first, last) = (candidates[0].penalty, candidates[candidates.len() - 1].penalty);
            assert!(best.penalty != first && best.penalty != last, "{algorithm}: {candidates:?}");
        }
        let named = choose(&table, &rows, &options(Algorithm::Ridge, &[1e9, 1.0], 5)).unwrap();
        assert_eq!(named.recipe.penalty, 1.0);
    }

    #[test]
    fn what_cannot_be_validated_is_told() {
        let error = choose(&noisy(), &[1, 2, 3], &options(Algorithm::Ridge, &[], 4)).unwrap_err().to_string();
        assert_eq!(error, "3 rows cannot be split into 4 parts");
        let error = choose(&noisy(), &[1, 2, 3], &options(Algorithm::Ols, &[], 3)).unwrap_err();
        assert!(format!("{error:#}").contains("2 training rows are too few for 8 features"), "{error:#}");
    }

    /// A part is filled with the mean of the others, never with its own; y is x + 1 there.
    #[test]
    fn a_part_is_filled_and_encoded_by_what_the_others_know() {
        let columns =
            Columns { missing: Missing::Mean, one_hot: vec!["c".to_owned()], ..Columns::target("y") };
        let text = "x,c,y\n1,a,2\n2,a,3\n3,b,4\n4,b,5\n5,a,6\n6,b,7\n,a,100\n9,rare,10\n";
        let material = Material::parse(text, &columns);
        let parts = [vec![6, 0, 1, 2], vec![3, 4, 5, 7]];
        let ridge = Recipe { algorithm: Algorithm::Ridge, penalty: 1e-9, l1_ratio: 0.5, scale: false };
        let pairs = unseen(&material, &parts, &ridge).unwrap();
        let labels: Vec<f64> = pairs.iter().map(|(label, _)| *label).collect();
        assert_eq!(labels, [100.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], "no other row is as rare as the last one");
        // The mean of 4, 5, 6 and 9 is 6.
        assert!((pairs[0].1 - 7.0).abs() < 1e-6, "{pairs:?}");
    }
}
