//! What was published beside what comes out, and how many standard errors lie between them.

use std::fmt::Display;

/// So many standard errors are too many.
const TOO_FAR: f64 = 3.0;

/// A published number as it is written, or the least and the largest of several: `.029`, or `774..1030`.
struct Published {
    low: f64,
    high: f64,
}

impl Published {
    /// With half a unit of the last digit on either side, which rounding explains.
    fn read(text: &str) -> Self {
        let (low, high) = text.split_once("..").unwrap_or((text, text));
        let digits = |text: &str| text.split_once('.').map_or(0, |(_, digits)| digits.len());
        let half = 0.5 * 0.1_f64.powi(i32::try_from(digits(low).max(digits(high))).unwrap());
        let [low, high] = [low, high].map(|text| text.parse::<f64>().unwrap());
        Self { low: low - half, high: high + half }
    }

    /// The nearest number that is the published one, but for rounding.
    fn nearest(&self, number: f64) -> f64 {
        number.clamp(self.low, self.high)
    }
}

/// A share of runs, as it is shown.
pub(crate) fn share(found: impl IntoIterator<Item = bool>) -> String {
    let found: Vec<bool> = found.into_iter().collect();
    let runs = found.len() as f64;
    let share = found.iter().filter(|found| **found).count() as f64 / runs;
    format!("{share:.4} ± {:.4}", (share * (1.0 - share) / runs).sqrt())
}

/// All that was compared.
#[derive(Default)]
pub(crate) struct Comparisons {
    /// How many runs the published numbers of this section are of.
    theirs: f64,
    compared: usize,
    failed: Vec<String>,
    left_out: usize,
}

impl Comparisons {
    /// What follows is of this section, whose numbers were measured in so many runs.
    pub(crate) fn section(&mut self, title: &str, theirs: u32) {
        self.theirs = f64::from(theirs);
        println!("\n{title}\npublished ones taken as of {theirs} runs\n");
        println!("{:<52} {:>12} {:>20} {:>6}", "", "published", "ours", "off");
    }

    /// A share of runs.
    pub(crate) fn share(&mut self, what: &str, published: &str, found: impl IntoIterator<Item = bool>) {
        let found: Vec<bool> = found.into_iter().collect();
        let runs = found.len() as f64;
        let ours = found.iter().filter(|found| **found).count() as f64 / runs;
        let nearest = Published::read(published).nearest(ours);
        let both = (ours * runs + nearest * self.theirs) / (runs + self.theirs);
        let error = (both * (1.0 - both) * (1.0 / runs + 1.0 / self.theirs)).sqrt();
        self.row(what, published, &self::share(found), ours - nearest, error);
    }

    /// A mean over runs.
    pub(crate) fn mean(&mut self, what: &str, published: &str, numbers: &[f64]) {
        let runs = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / runs;
        let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / (runs - 1.0);
        let nearest = Published::read(published).nearest(mean);
        let shown = format!("{mean:.4} ± {:.4}", (variance / runs).sqrt());
        let error = (variance * (1.0 / runs + 1.0 / self.theirs)).sqrt();
        self.row(what, published, &shown, mean - nearest, error);
    }

    /// A quantile of runs: how far the share of ours below the published number is from `q`. What was never found is infinite.
    pub(crate) fn quantile(&mut self, what: &str, q: f64, published: &str, numbers: &[f64]) {
        let mut sorted = numbers.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let runs = sorted.len() as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank of what is in memory"
        )]
        let at = |share: f64| sorted[((share * runs) as usize).min(sorted.len() - 1)];
        let Published { low, high } = Published::read(published);
        let below = sorted.partition_point(|number| *number < low) as f64 / runs;
        let up_to = sorted.partition_point(|number| *number <= high) as f64 / runs;
        // Ours is larger where too few are up to the published one.
        let off = if up_to < q { q - up_to } else { (q - below).min(0.0) };
        let error = |runs: f64| (q * (1.0 - q) / runs).sqrt();
        let spread = (at((q + error(runs)).min(1.0)) - at((q - error(runs)).max(0.0))) / 2.0;
        let digits = if low.fract().abs() == 0.5 { 0 } else { 4 };
        let shown = format!("{:.digits$} ± {spread:.digits$}", at(q));
        self.row(what, published, &shown, off, error(runs).hypot(error(self.theirs)));
    }

    fn row(&mut self, what: &str, published: &str, ours: &str, off: f64, error: f64) {
        let off = if off == 0.0 { 0.0 } else { off / error };
        let fails = off.is_nan() || off.abs() > TOO_FAR;
        println!("{what:<52} {published:>12} {ours:>20} {off:>+6.1}{}", if fails { "  DIFFERS" } else { "" });
        self.compared += 1;
        if fails {
            self.failed.push(what.to_owned());
        }
    }

    /// Something of ours that nothing was published of.
    pub(crate) fn ours(&mut self, what: &str, ours: impl Display) {
        println!("{what:<52} {:>12} {ours:>20}", "-");
    }

    /// Something that was published, and why it is not compared.
    pub(crate) fn not_comparable(&mut self, what: &str, published: &str, why: &str) {
        println!("{what:<52} {published:>12}   not comparable: {why}");
        self.left_out += 1;
    }

    /// Says how it went, and whether all is well.
    pub(crate) fn end(&self) -> bool {
        println!(
            "\n{} compared, {} differ, {} not comparable",
            self.compared,
            self.failed.len(),
            self.left_out
        );
        self.failed.iter().for_each(|what| println!("  differs: {what}"));
        self.failed.is_empty()
    }
}
