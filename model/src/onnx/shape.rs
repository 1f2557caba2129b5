//! What goes into an ONNX model and comes out of it: whether that is a regression of rows of numbers.

use ort::value::{Outlet, TensorElementType, ValueType};
use shared::printable::piece;

/// Where a row's numbers go, and where its prediction is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) features: usize,
    /// The features' names where each is an input of its own; otherwise one input takes them all.
    pub(super) names: Option<Vec<String>>,
    /// Of each input.
    pub(super) precisions: Vec<Precision>,
    pub(super) output: String,
}

/// The numbers that an input takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Float32,
    Float64,
    Int32,
    Int64,
}

/// The first whole number beyond what int32 and int64 hold, above and below.
const BEYOND: [f64; 2] = [2_147_483_648.0, 9_223_372_036_854_775_808.0];

impl Precision {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
        }
    }

    /// Whether it has no fractions.
    pub(super) fn is_whole(self) -> bool {
        matches!(self, Self::Int32 | Self::Int64)
    }

    /// Whether a number of that size has a place in it.
    pub(super) fn holds(self, value: f64) -> bool {
        match self {
            Self::Float32 => narrow(value).is_finite(),
            Self::Float64 => value.is_finite(),
            Self::Int32 => (-BEYOND[0]..BEYOND[0]).contains(&value),
            Self::Int64 => (-BEYOND[1]..BEYOND[1]).contains(&value),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a 32 bit model takes 32 bits; too large becomes infinite"
)]
pub(super) fn narrow(value: f64) -> f32 {
    value as f32
}

impl Signature {
    /// Reads what the model says of its inputs and outputs; otherwise says what does not suit.
    pub(super) fn of(inputs: &[Outlet], outputs: &[Outlet]) -> Result<Self, String> {
        let columns: Vec<Input> = inputs.iter().map(Input::of).collect::<Result<_, _>>()?;
        let [_, rest @ ..] = &columns[..] else { return Err("it has no input".to_owned()) };
        let names = if rest.is_empty() {
            None
        } else {
            if let Some(wide) = columns.iter().find(|input| input.width != 1) {
                return Err(format!(
                    "it has several inputs, and {} takes {} numbers per row",
                    piece(&wide.name),
                    wide.width
                ));
            }
            Some(columns.iter().map(|input| input.name.clone()).collect())
        };
        let features = columns.iter().map(|input| input.width).sum();
        let output = output(outputs)?;
        let precisions = columns.iter().map(|input| input.precision).collect();
        Ok(Self { features, names, precisions, output })
    }

    /// The numbers that a feature is taken as.
    pub(super) fn precision(&self, feature: usize) -> Precision {
        // One input takes all features.
        self.precisions[if self.names.is_some() { feature } else { 0 }]
    }
}

struct Input {
    name: String,
    width: usize,
    precision: Precision,
}

impl Input {
    fn of(input: &Outlet) -> Result<Self, String> {
        let name = piece(input.name());
        let ValueType::Tensor { ty, shape, .. } = input.dtype() else {
            return Err(format!("its input {name} is not a tensor; expected rows of numbers"));
        };
        let precision = match ty {
            TensorElementType::Float32 => Precision::Float32,
            TensorElementType::Float64 => Precision::Float64,
            TensorElementType::Int32 => Precision::Int32,
            TensorElementType::Int64 => Precision::Int64,
            other => {
                let wanted = "expected float32, float64, int32 or int64";
                return Err(format!("its input {name} is of {other}; {wanted}"));
            }
        };
        match shape[..] {
            [rows, _] | [rows] if rows >= 0 => {
                let why = format!("its input {name} takes exactly {rows} rows at a time");
                Err(format!("{why}; export it with a dynamic first dimension"))
            }
            [_, width] if width > 0 => {
                let width = usize::try_from(width).map_err(|why| format!("its input {name}: {why}"))?;
                Ok(Self { name: input.name().to_owned(), width, precision })
            }
            [_, _] => Err(format!(
                "its input {name} does not say how many features it takes; export it with a number"
            )),
            _ => Err(format!("its input {name} has {} dimensions; expected rows and features", shape.len())),
        }
    }
}

/// The first output is the prediction, as every exporter of regressions has it.
fn output(outputs: &[Outlet]) -> Result<String, String> {
    let Some(output) = outputs.first() else { return Err("it has no output".to_owned()) };
    let name = piece(output.name());
    let ValueType::Tensor { ty, shape, .. } = output.dtype() else {
        return Err(format!("its output {name} is not a tensor; expected one number per row"));
    };
    match ty {
        TensorElementType::Float32 | TensorElementType::Float64 => {}
        other => {
            return Err(format!(
                "its output {name} is of {other}, like a classifier's; expected a regression"
            ));
        }
    }
    match shape.get(1) {
        Some(width) if *width > 1 => {
            Err(format!("its output {name} has {width} numbers per row; expected one"))
        }
        _ => Ok(output.name().to_owned()),
    }
}
