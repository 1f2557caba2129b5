//! What goes into an ONNX model and comes out of it: whether that is a regression of rows of numbers.

use ort::value::{Outlet, TensorElementType, ValueType};

/// Where a row's numbers go, and where its prediction is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) features: usize,
    /// The features' names where each is an input of its own; otherwise one input takes them all.
    pub(super) names: Option<Vec<String>>,
    pub(super) precision: Precision,
    pub(super) output: String,
}

/// The numbers that a model takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Precision {
    Float32,
    Float64,
}

impl Precision {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Float64 => "float64",
        }
    }
}

impl Layout {
    /// Reads what the model says of its inputs and outputs; otherwise says what does not suit.
    pub(super) fn of(inputs: &[Outlet], outputs: &[Outlet]) -> Result<Self, String> {
        let columns: Vec<Input> = inputs.iter().map(Input::of).collect::<Result<_, _>>()?;
        let [first, rest @ ..] = &columns[..] else { return Err("it has no input".to_owned()) };
        if let Some(other) = rest.iter().find(|other| other.precision != first.precision) {
            let (name, precision) = (&other.name, other.precision.name());
            return Err(format!(
                "its inputs differ: {} is {}, {name} is {precision}",
                first.name,
                first.precision.name()
            ));
        }
        let names = if rest.is_empty() {
            None
        } else {
            if let Some(wide) = columns.iter().find(|input| input.width != 1) {
                return Err(format!(
                    "it has several inputs, and {} takes {} numbers a row",
                    wide.name, wide.width
                ));
            }
            Some(columns.iter().map(|input| input.name.clone()).collect())
        };
        let features = columns.iter().map(|input| input.width).sum();
        let output = output(outputs)?;
        Ok(Self { features, names, precision: first.precision, output })
    }
}

struct Input {
    name: String,
    width: usize,
    precision: Precision,
}

impl Input {
    fn of(input: &Outlet) -> Result<Self, String> {
        let name = input.name().to_owned();
        let ValueType::Tensor { ty, shape, .. } = input.dtype() else {
            return Err(format!("its input {name} is no tensor; wanted are rows of numbers"));
        };
        let precision = match ty {
            TensorElementType::Float32 => Precision::Float32,
            TensorElementType::Float64 => Precision::Float64,
            other => return Err(format!("its input {name} is of {other}; wanted are float32 or float64")),
        };
        match shape[..] {
            [rows, _] | [rows] if rows >= 0 => {
                let why = format!("its input {name} takes {rows} rows at a time");
                Err(format!("{why}; export it with a first dimension that is free"))
            }
            [_, width] if width > 0 => {
                let width = usize::try_from(width).map_err(|why| format!("its input {name}: {why}"))?;
                Ok(Self { name, width, precision })
            }
            [_, _] => Err(format!(
                "its input {name} does not say how many features it takes; export it with a number"
            )),
            _ => {
                Err(format!("its input {name} has {} dimensions; wanted are rows and features", shape.len()))
            }
        }
    }
}

/// The first output is the prediction, as every exporter of regressions has it.
fn output(outputs: &[Outlet]) -> Result<String, String> {
    let Some(output) = outputs.first() else { return Err("it has no output".to_owned()) };
    let name = output.name();
    let ValueType::Tensor { ty, shape, .. } = output.dtype() else {
        return Err(format!("its output {name} is no tensor; wanted is a number a row"));
    };
    match ty {
        TensorElementType::Float32 | TensorElementType::Float64 => {}
        other => {
            return Err(format!(
                "its output {name} is of {other}, as a classifier's; wanted is a regression"
            ));
        }
    }
    match shape.get(1) {
        Some(width) if *width > 1 => {
            Err(format!("its output {name} has {width} numbers a row; wanted is one"))
        }
        _ => Ok(name.to_owned()),
    }
}
