//! The Open Inference Protocol, version 2, as KServe, Triton and MLServer speak it: a request's bytes to rows, and predictions to
//! an answer's bytes. Pure.
//!
//! Of the protocol's source: kserve/open-inference-protocol, and Triton's extension for binary tensors.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::message::{Cell, Name, Rejection, Row, read_json};
use shared::printable::quoted;

use super::frame::Frame;
use super::problem::Problem;
use super::tensor::{Input, Tensor};
use crate::inputs::Inputs;
use crate::predictor::Predictor;

/// What the one output is called.
pub(super) const OUTPUT: &str = "predict";
/// The extension by which tensors go as bytes.
pub(super) const BINARY: &str = "binary_tensor_data";

/// The model that serves, and what it is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Served<'a> {
    pub(super) name: &'a Name,
    pub(super) predictor: &'a Predictor,
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Infer {
    /// What the request calls itself: the id of its row, or what the ids of its rows begin with.
    pub(super) id: Option<String>,
    pub(super) rows: Vec<Row>,
    /// Whether the predictions go as bytes.
    pub(super) is_binary: bool,
}

/// An answer's body, and how much of it is JSON where there are bytes behind that.
#[derive(Debug, PartialEq)]
pub(super) struct Written {
    pub(super) body: Vec<u8>,
    pub(super) json: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Request<'a> {
    id: Option<String>,
    #[serde(borrow)]
    inputs: Vec<Input<'a>>,
    outputs: Option<Vec<Output>>,
    parameters: Option<Parameters>,
}

#[derive(Debug, Deserialize)]
struct Output {
    name: String,
    parameters: Option<Parameters>,
}

/// Those that mean something here, of a request and of an output.
#[derive(Debug, Deserialize)]
struct Parameters {
    binary_data: Option<bool>,
    binary_data_output: Option<bool>,
}

impl Served<'_> {
    /// Whether it is the model, and the version, that a path names.
    pub(super) fn is(&self, name: &str, version: Option<&str>) -> Result<(), Problem> {
        if name != self.name.as_str() {
            let (asked, serves) = (quoted(name), quoted(self.name.as_str()));
            return Err(Problem::missing(format!("model {asked} is not served here; {serves} is")));
        }
        match version.filter(|version| *version != self.predictor.version().as_str()) {
            None => Ok(()),
            Some(other) => {
                let (asked, serves) = (quoted(other), quoted(self.predictor.version().as_str()));
                Err(Problem::missing(format!(
                    "version {asked} of model {} is not served here; {serves} is",
                    quoted(self.name.as_str())
                )))
            }
        }
    }

    /// What clients are told of it.
    pub(super) fn metadata(&self) -> Value {
        let inputs = self.predictor.inputs();
        let mut metadata = json!({
            "name": self.name.as_str(),
            "versions": [self.predictor.version().as_str()],
            "platform": self.predictor.platform(),
            "inputs": [{ "name": "input-0", "datatype": "FP64", "shape": [-1, inputs.count()] }],
            "outputs": [{ "name": OUTPUT, "datatype": "FP64", "shape": [-1, 1] }],
        });
        if let Some(names) = inputs.names() {
            metadata["parameters"] = json!({ "feature_names": Row::names_header(names) });
        }
        metadata
    }

    /// Reads a request. `json` is how much of the body is JSON, where it says so; behind that is the data of its inputs.
    pub(super) fn read(&self, body: &[u8], json: Option<usize>) -> Result<Infer, Problem> {
        let (json, mut binary) = match json {
            None => (body, &[][..]),
            Some(length) => body.split_at_checked(length).ok_or_else(|| {
                let detail =
                    format!("the JSON is said to have {length} bytes, and the body has {}", body.len());
                Problem::bad(Rejection::SHAPE, detail)
            })?,
        };
        let Request { id, inputs, outputs, parameters } = read_json(json, "an inference request")?;
        let tensors: Vec<Tensor> =
            inputs.into_iter().map(|input| input.read(&mut binary)).collect::<Result<_, _>>()?;
        if !binary.is_empty() {
            let detail = format!("{} bytes of data are left over behind those of the inputs", binary.len());
            return Err(Problem::bad(Rejection::SHAPE, detail));
        }
        let mut is_binary = parameters.and_then(|parameters| parameters.binary_data_output) == Some(true);
        for Output { name, parameters } in outputs.unwrap_or_default() {
            if name != OUTPUT {
                let detail = format!("no output {}; {} is there", quoted(&name), quoted(OUTPUT));
                return Err(Problem::bad(Rejection::NAMES, detail));
            }
            is_binary = parameters.and_then(|parameters| parameters.binary_data).unwrap_or(is_binary);
        }
        Ok(Infer { id: id.filter(|id| !id.is_empty()), rows: self.rows(tensors)?, is_binary })
    }

    /// One tensor of any name has the rows in the model's order; else there is a column for each feature, by its name.
    fn rows(&self, mut tensors: Vec<Tensor>) -> Result<Vec<Row>, Problem> {
        let inputs = self.predictor.inputs();
        let is_column =
            |tensor: &Tensor| inputs.names().is_some_and(|names| *names == [tensor.name.as_str()]);
        match tensors.pop() {
            None => Err(Problem::bad(Rejection::SHAPE, "there are no inputs")),
            Some(tensor) if tensors.is_empty() && !is_column(&tensor) => self.matrix(tensor),
            Some(last) => {
                tensors.push(last);
                columns(tensors, inputs)
            }
        }
    }

    fn matrix(&self, tensor: Tensor) -> Result<Vec<Row>, Problem> {
        let Tensor { name, shape, numbers } = tensor;
        let width = match shape[..] {
            [width] | [_, width] => width,
            _ => return Err(dimensions(&name, &shape, "[rows, features] or [features]")),
        };
        let wanted = self.predictor.inputs().count();
        if width != wanted {
            let model = format!("{}@{}", self.name, self.predictor.version());
            let detail = format!("rows of {width} values, model {model} wants {wanted}");
            return Err(Problem::bad(Rejection::LENGTH, detail));
        }
        let rows = numbers.chunks(width).map(|row| row.iter().copied().map(Cell::Number).collect());
        Frame { names: None, rows: rows.collect() }.rows(self.predictor.inputs())
    }
}

fn columns(tensors: Vec<Tensor>, inputs: &Inputs) -> Result<Vec<Row>, Problem> {
    if inputs.names().is_none() {
        let detail = "several inputs, but the model has no feature names; send one input";
        return Err(Problem::bad(Rejection::NAMES, detail));
    }
    let mut names = Vec::with_capacity(tensors.len());
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for (at, Tensor { name, shape, numbers }) in tensors.into_iter().enumerate() {
        if !matches!(shape[..], [_] | [_, 1]) {
            return Err(dimensions(&name, &shape, "[rows, 1] or [rows]"));
        }
        if at == 0 {
            rows.resize_with(numbers.len(), Vec::new);
        }
        if rows.len() != numbers.len() {
            let detail =
                format!("input {} has {} rows, and others have {}", quoted(&name), numbers.len(), rows.len());
            return Err(Problem::bad(Rejection::SHAPE, detail));
        }
        rows.iter_mut().zip(numbers).for_each(|(row, number)| row.push(Cell::Number(number)));
        names.push(name);
    }
    Frame { names: Some(names), rows }.rows(inputs)
}

fn dimensions(name: &str, shape: &[usize], wanted: &str) -> Problem {
    let detail = format!("input {}: the shape is {shape:?}; expected {wanted}", quoted(name));
    Problem::bad(Rejection::SHAPE, detail)
}

#[derive(Serialize)]
struct Answer<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    outputs: [Predicted<'a>; 1],
}

#[derive(Serialize)]
struct Predicted<'a> {
    name: &'a str,
    datatype: &'a str,
    shape: [usize; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a [f64]>,
}

impl Served<'_> {
    /// The answer in the form that was asked for, with a prediction for each row. `id` is what the request called itself.
    pub(super) fn written(&self, id: Option<&str>, is_binary: bool, values: &[f64]) -> Written {
        let bytes: Vec<u8> = if is_binary {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        } else {
            Vec::new()
        };
        let answer = Answer {
            model_name: self.name.as_str(),
            model_version: self.predictor.version().as_str(),
            id,
            outputs: [Predicted {
                name: OUTPUT,
                datatype: "FP64",
                shape: [values.len(), 1],
                parameters: is_binary.then(|| json!({ "binary_data_size": bytes.len() })),
                data: (!is_binary).then_some(values),
            }],
        };
        // Texts and finite numbers always serialise.
        let mut body = serde_json::to_vec(&answer).unwrap_or_default();
        let json = is_binary.then_some(body.len());
        body.extend(bytes);
        Written { body, json }
    }
}
