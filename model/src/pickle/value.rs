//! The values of a pickle, in one arena and under handles: a list that is known under two names grows under both, a
//! list may hold itself, and nothing here recurses.

use std::borrow::Cow;
use std::ops::Index;

use super::classes::Class;
use super::error::PickleError;
use super::globals::Global;
use super::numpy::{Array, Dtype};

/// How many values there may be. A model fitted on ten thousand named features has some thirty thousand.
const MAX_NODES: usize = 1_000_000;
/// How often values may be put into other values and into memos.
const MAX_REFERENCES: usize = 4_000_000;

/// A value's place in the arena that made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Handle(u32);

/// The entries of a dict, in the order in which they came.
pub(super) type Entries = Vec<(Handle, Handle)>;

/// A value.
#[derive(Debug)]
pub(super) enum Node<'a> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    Bytes(Cow<'a, [u8]>),
    Tuple(Vec<Handle>),
    List(Vec<Handle>),
    Dict(Entries),
    Global(Global),
    Dtype(Dtype),
    /// An array that BUILD has still to fill.
    BlankArray,
    Array(Box<Array<'a>>),
    /// An estimator, with its attributes when BUILD has set them.
    Object(Class, Option<Entries>),
    /// What joblib puts in an array's place, to be replaced at its BUILD.
    Wrapper,
    /// A value that no model of ours looks at: a large integer, or a numpy scalar of another type.
    Ignored,
    /// An object that has to do with the fitting alone. Nothing of it is kept.
    Fitting,
}

impl Node<'_> {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Node::None => "None",
            Node::Bool(_) => "a bool",
            Node::Int(_) => "an int",
            Node::Float(_) => "a float",
            Node::Text(_) => "a str",
            Node::Bytes(_) => "bytes",
            Node::Tuple(_) => "a tuple",
            Node::List(_) => "a list",
            Node::Dict(_) => "a dict",
            Node::Global(_) => "a class or function",
            Node::Dtype(_) => "a dtype",
            Node::BlankArray | Node::Array(_) => "an array",
            Node::Object(class, _) => class.name,
            Node::Wrapper => "an array of joblib's that is not there",
            Node::Fitting => "a part of the fitting",
            Node::Ignored => "a number or text that is not read",
        }
    }
}

/// All values of a file.
#[derive(Default)]
pub(super) struct Arena<'a> {
    nodes: Vec<Node<'a>>,
    references: usize,
}

impl<'a> Arena<'a> {
    /// Puts a value into the arena.
    pub(super) fn add(&mut self, node: Node<'a>) -> Result<Handle, PickleError> {
        let too_many = PickleError::TooLarge { what: "values", limit: MAX_NODES };
        if self.nodes.len() >= MAX_NODES {
            return Err(too_many);
        }
        let handle = Handle(u32::try_from(self.nodes.len()).map_err(|_| too_many)?);
        self.nodes.push(node);
        Ok(handle)
    }

    /// Accounts for values that are put into others. One value can be put into many, so counting values is not
    /// enough to bound memory and time.
    pub(super) fn refer(&mut self, count: usize) -> Result<(), PickleError> {
        self.references = self.references.saturating_add(count);
        if self.references > MAX_REFERENCES {
            return Err(PickleError::TooLarge { what: "references between values", limit: MAX_REFERENCES });
        }
        Ok(())
    }

    /// The value, to change it in place.
    pub(super) fn change(&mut self, handle: Handle) -> &mut Node<'a> {
        &mut self.nodes[handle.0 as usize]
    }

    /// The value as text, if it is text.
    pub(super) fn text(&self, handle: Handle) -> Option<&'a str> {
        match self[handle] {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An entry by its key. As in Python, the last one of a key counts.
    pub(super) fn entry(&self, entries: &[(Handle, Handle)], key: &str) -> Option<Handle> {
        entries.iter().rev().find(|(name, _)| self.text(*name) == Some(key)).map(|(_, value)| *value)
    }
}

impl<'a> Index<Handle> for Arena<'a> {
    type Output = Node<'a>;

    // A handle is made by `add` alone and nothing is ever removed, so it is in range.
    fn index(&self, handle: Handle) -> &Node<'a> {
        &self.nodes[handle.0 as usize]
    }
}
