//! Cross-validation: which penalty predicts best what its fit has not seen.

use anyhow::{Context as _, ensure};
use ndarray::Axis;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use shared::dataset::Dataset;
use shared::scores::Scores;

use super::TrainOptions;
use super::fit::{Algorithm, Centred, Recipe, fit};
use crate::file::{Candidate, CrossValidation, Holdout};

/// How many penalties are tried where none are named.
const CANDIDATES: u32 = 13;
/// The penalty where nothing else is said, as in scikit-learn.
const PENALTY: f64 = 1.0;

/// The recipe to fit with, and how it was chosen, if it was.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) recipe: Recipe,
    pub(super) cross_validation: Option<CrossValidation>,
    /// The penalties that could not be fitted, and why.
    pub(super) unfitted: Vec<(f64, String)>,
}

/// Chooses the penalty among those that the options name, or among some that span what can matter.
pub(super) fn choose(table: &Dataset, rows: &[usize], options: &TrainOptions) -> anyhow::Result<Choice> {
    let named = &options.penalty;
    let Some(folds) = options.cross_validate else {
        let recipe = options.recipe(named.first().copied().unwrap_or(PENALTY));
        return Ok(Choice { recipe, cross_validation: None, unfitted: Vec::new() });
    };
    let folds = usize::try_from(folds)?;
    ensure!(folds <= rows.len(), "{} rows cannot be split into {folds} parts", rows.len());
    let mut penalties = match options.algorithm {
        Algorithm::Ols => vec![PENALTY],
        _ if !named.is_empty() => named.clone(),
        _ => span(&Centred::of(table, rows, options.scale)?, &options.recipe(PENALTY)),
    };
    penalties.sort_by(|a, b| b.total_cmp(a));
    let parts = parts(rows, folds, options.seed);
    let mut candidates = Vec::new();
    let (mut failure, mut unfitted) = (None, Vec::new());
    for penalty in penalties {
        let recipe = options.recipe(penalty);
        match evaluate(table, &parts, &recipe) {
            Ok(scores) => candidates.push((recipe, Holdout::from(&scores))),
            // A penalty that cannot be fitted is no candidate; where none can be, the last one says why.
            Err(why) => {
                unfitted.push((penalty, format!("{why:#}")));
                failure = Some(why);
            }
        }
    }
    let best = candidates.iter().min_by(|(_, a), (_, b)| a.rmse.total_cmp(&b.rmse));
    let recipe = match (best, failure) {
        (Some((recipe, _)), _) => *recipe,
        (None, Some(why)) => return Err(why),
        (None, None) => anyhow::bail!("there is no penalty to try"),
    };
    let candidate = |(recipe, scores): (Recipe, Holdout)| {
        let penalty = (recipe.algorithm != Algorithm::Ols).then_some(recipe.penalty);
        Candidate { penalty, scores }
    };
    let candidates = candidates.into_iter().map(candidate).collect();
    Ok(Choice { recipe, cross_validation: Some(CrossValidation { folds, candidates }), unfitted })
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

/// The scores of a recipe over all parts, each predicted by a fit to the others.
fn evaluate(table: &Dataset, parts: &[Vec<usize>], recipe: &Recipe) -> anyhow::Result<Scores> {
    let mut scores = Scores::default();
    for (number, unseen) in parts.iter().enumerate() {
        let seen: Vec<usize> =
            parts[..number].iter().chain(&parts[number + 1..]).flatten().copied().collect();
        let linear = fit(table, &seen, recipe)
            .with_context(|| format!("without part {} of {}", number + 1, parts.len()))?;
        let (rows, labels) = table.select(unseen);
        for (label, prediction) in labels.iter().zip(linear.predict(&rows)) {
            scores.add(*label, prediction);
        }
    }
    Ok(scores)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::Path;

    use rand::RngExt as _;
    use shared::dataset::Columns;

    use super::*;

    /// Labels of one feature among many that say nothing, with noise.
    fn noisy() -> Dataset {
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
        Dataset::parse(text.as_bytes(), Path::new("t.csv"), &Columns::target("y")).unwrap()
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
        let candidates = choice.cross_validation.unwrap().candidates;
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
        assert!(format!("{error:#}").contains("2 rows to train on are too few for 8 features"), "{error:#}");
    }
}
