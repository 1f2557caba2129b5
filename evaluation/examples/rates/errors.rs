//! Errors of all the kinds that the published tables have.

use std::f64::consts::{FRAC_2_PI, PI};
use std::sync::OnceLock;

use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::noise::normal;

/// How the errors of a model are spread, and how each depends on the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Normal,
    Laplace,
    /// Student's, with so many degrees of freedom.
    Student(u8),
    /// The size is lognormal, the sign random.
    Lognormal,
    /// Two of a hundred are 15 times as large.
    Spiked,
    /// Drawn from those of data/model.json on data/diabetes.csv.
    Diabetes,
    /// Normal; each has this correlation with the one before.
    Autocorrelated(f64),
    /// Normal; the logarithm of their scale has this correlation with the one before, and this deviation.
    Wandering(f64, f64),
}

/// Errors of a kind, one after the other.
pub(crate) struct Errors {
    kind: Kind,
    /// What the next one depends on: normal.
    state: f64,
}

impl Errors {
    pub(crate) fn new(kind: Kind, random: &mut StdRng) -> Self {
        Self { kind, state: normal(random) }
    }

    pub(crate) fn next(&mut self, random: &mut StdRng) -> f64 {
        match self.kind {
            Kind::Normal => normal(random),
            Kind::Laplace => {
                let side = random.random::<f64>() - 0.5;
                -side.signum() * (1.0 - 2.0 * side.abs()).ln()
            }
            Kind::Student(degrees) => {
                let squares: f64 = (0..degrees).map(|_| normal(random).powi(2)).sum();
                normal(random) / (squares / f64::from(degrees)).sqrt()
            }
            Kind::Lognormal => normal(random).exp() * if random.random() { 1.0 } else { -1.0 },
            Kind::Spiked => normal(random) * if random.random::<f64>() < 0.02 { 15.0 } else { 1.0 },
            Kind::Diabetes => sample()[random.random_range(0..sample().len())],
            Kind::Autocorrelated(by) => self.step(by, random),
            Kind::Wandering(by, deviation) => (deviation * self.step(by, random)).exp() * normal(random),
        }
    }

    fn step(&mut self, by: f64, random: &mut StdRng) -> f64 {
        self.state = by * self.state + (1.0 - by * by).sqrt() * normal(random);
        self.state
    }
}

impl Kind {
    /// The truth: the mean of |e|, and of e².
    pub(crate) fn moments(self) -> (f64, f64) {
        let normal = FRAC_2_PI.sqrt();
        match self {
            Self::Normal | Self::Autocorrelated(_) => (normal, 1.0),
            Self::Laplace => (1.0, 2.0),
            Self::Student(3) => (2.0 * 3.0_f64.sqrt() / PI, 3.0),
            // Γ(3) = 2 and Γ(5/2) = 3√π/4.
            Self::Student(_) => (8.0 * 5.0_f64.sqrt() / (6.0 * PI), 5.0 / 3.0),
            Self::Lognormal => (0.5_f64.exp(), 2.0_f64.exp()),
            Self::Spiked => (normal * (0.98 + 0.02 * 15.0), 0.98 + 0.02 * 225.0),
            Self::Diabetes => {
                let mean = |of: &dyn Fn(f64) -> f64| {
                    sample().iter().map(|e| of(*e)).sum::<f64>() / sample().len() as f64
                };
                (mean(&f64::abs), mean(&|e| e * e))
            }
            Self::Wandering(_, deviation) => {
                (normal * (deviation.powi(2) / 2.0).exp(), (2.0 * deviation.powi(2)).exp())
            }
        }
    }
}

/// The errors of the model of the repository on the data that it was made of: nearly those of rows that a fit has not seen, whose
/// deviation is 4 % larger. Their mean is taken off.
fn sample() -> &'static [f64] {
    static SAMPLE: OnceLock<Vec<f64>> = OnceLock::new();
    SAMPLE.get_or_init(|| {
        let model: serde_json::Value =
            serde_json::from_str(include_str!("../../../data/model.json")).unwrap();
        let numbers = model["coefficients"].as_array().unwrap().iter();
        let coefficients: Vec<f64> = numbers.map(|number| number.as_f64().unwrap()).collect();
        let intercept = model["intercept"].as_f64().unwrap();
        let rows = include_str!("../../../data/diabetes.csv").lines().skip(1);
        let errors = rows.map(|line| {
            let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            let weighed: f64 = cells.iter().zip(&coefficients).map(|(cell, weight)| cell * weight).sum();
            weighed + intercept - cells.last().unwrap()
        });
        let errors: Vec<f64> = errors.collect();
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        errors.into_iter().map(|error| error - mean).collect()
    })
}
