//! What the few calls mean that a model's pickle makes: REDUCE, NEWOBJ and BUILD. Nothing is called; each is matched
//! against the forms that numpy, joblib and scikit-learn write, and any other form is refused.

use std::borrow::Cow;

use super::error::PickleError;
use super::globals::Global;
use super::machine::Machine;
use super::numpy::{Array, Data, Dtype, Shape};
use super::value::{Handle, Node};

/// The longest state of joblib's that is looked at. It has six entries.
const MAX_WRAPPER: usize = 16;

impl<'a> Machine<'_, 'a> {
    /// REDUCE: a function and its arguments.
    pub(super) fn reduce(&mut self) -> Result<(), PickleError> {
        let (args, function) = (self.pop()?, self.pop()?);
        let arena = &self.source.arena;
        let (Node::Global(global), Node::Tuple(args)) = (&arena[function], &arena[args]) else {
            return Err(self.malformed("what is called or what it is given has the wrong type"));
        };
        let node = match (*global, args.as_slice()) {
            (Global::Reconstruct, &[class, _, _]) => {
                self.is(class, Global::Ndarray).then_some(Node::BlankArray)
            }
            (Global::FromBuffer, &[data, dtype, shape, order]) => {
                // The order says how a matrix lies in memory, as in `wrapped`.
                let plain = matches!((arena.text(order), &arena[data]), (Some("C" | "F"), Node::Bytes(_)));
                plain.then(|| self.array(dtype, shape, data)).flatten()
            }
            (Global::Scalar, &[dtype, data]) => self.scalar(dtype, data),
            (Global::Dtype, &[code, align, copy]) => {
                // Not a copy, it would be numpy's own dtype, on which a byte order is lost.
                let plain = matches!(arena[align], Node::Bool(false) | Node::Int(0))
                    && matches!(arena[copy], Node::Bool(true) | Node::Int(1));
                arena.text(code).filter(|_| plain).and_then(Dtype::parse).map(Node::Dtype)
            }
            (Global::Encode, &[text, encoding]) => return self.encode(text, encoding),
            (Global::Reconstructor, &[class, base, state]) => {
                let plain = self.is(base, Global::Object) && matches!(arena[state], Node::None);
                plain.then(|| self.instance(class)).flatten()
            }
            (Global::Fitting, _) => Some(Node::Fitting),
            _ => None,
        };
        match node {
            Some(node) => self.make(node),
            None => Err(self.malformed(format!("{global:?} is called as no model calls it"))),
        }
    }

    /// NEWOBJ: a class and no arguments.
    pub(super) fn new_object(&mut self) -> Result<(), PickleError> {
        let (args, class) = (self.pop()?, self.pop()?);
        let empty = matches!(&self.source.arena[args], Node::Tuple(args) if args.is_empty());
        match self.instance(class).filter(|node| empty || matches!(node, Node::Fitting)) {
            Some(node) => self.make(node),
            None => Err(self.malformed("an object is made as in no model")),
        }
    }

    /// BUILD: a state for the object below it.
    pub(super) fn build(&mut self) -> Result<(), PickleError> {
        let state = self.pop()?;
        let target = self.top()?;
        let arena = &self.source.arena;
        let node = match (&arena[target], &arena[state]) {
            (Node::Dtype(dtype), Node::Tuple(state)) => dtype.state(arena, state).map(Node::Dtype),
            (Node::BlankArray, Node::Tuple(state)) => match **state {
                [version, shape, dtype, _, data] if matches!(arena[version], Node::Int(1)) => {
                    self.array(dtype, shape, data)
                }
                _ => None,
            },
            // As in Python the attributes are those of now: what is put into the dict later is not among them.
            (Node::Object(class, None), Node::Dict(_)) => {
                let class = *class;
                self.entries(state)?.map(|entries| Node::Object(class, Some(entries)))
            }
            (Node::Fitting, _) => Some(Node::Fitting),
            (Node::Wrapper, Node::Dict(_)) => {
                let array = self.read_array(state)?;
                self.pop()?;
                return self.push(array);
            }
            _ => None,
        };
        let node = node.ok_or_else(|| self.malformed("a state is set as in no model"))?;
        if let Node::Array(array) = &node
            && let Data::Objects(items) = &array.data
        {
            self.source.arena.refer(items.len())?;
        }
        *self.source.arena.change(target) = node;
        Ok(())
    }

    fn is(&self, handle: Handle, global: Global) -> bool {
        matches!(self.source.arena[handle], Node::Global(found) if found == global)
    }

    fn instance(&self, class: Handle) -> Option<Node<'a>> {
        match self.source.arena[class] {
            Node::Global(Global::Class(class)) => Some(Node::Object(class, None)),
            Node::Global(Global::Fitting) => Some(Node::Fitting),
            // In a pickle inside joblib's stream, joblib would not replace it.
            Node::Global(Global::Wrapper) if !self.nested => Some(Node::Wrapper),
            _ => None,
        }
    }

    fn dtype(&self, handle: Handle) -> Option<Dtype> {
        match self.source.arena[handle] {
            Node::Dtype(dtype) if dtype.ready => Some(dtype),
            _ => None,
        }
    }

    /// An array of data that is there: bytes, or a list of objects.
    fn array(&self, dtype: Handle, shape: Handle, data: Handle) -> Option<Node<'a>> {
        let (dtype, shape) = (self.dtype(dtype)?, Shape::read(&self.source.arena, shape)?);
        let data = match &self.source.arena[data] {
            Node::Bytes(bytes) if !dtype.is_object() => {
                (dtype.bytes(shape) == u64::try_from(bytes.len()).ok()).then_some(Data::Bytes(data))
            }
            Node::List(items) if dtype.is_object() => {
                (shape.count() == u64::try_from(items.len()).ok()).then(|| Data::Objects(items.clone()))
            }
            _ => None,
        };
        Some(Node::Array(Box::new(Array { dtype, shape, data: data? })))
    }

    fn scalar(&self, dtype: Handle, data: Handle) -> Option<Node<'a>> {
        match (self.dtype(dtype)?, &self.source.arena[data]) {
            (dtype, Node::Bytes(bytes)) => dtype.scalar(bytes),
            _ => None,
        }
    }

    /// Text of protocol 2 back to the bytes that it was.
    fn encode(&mut self, text: Handle, encoding: Handle) -> Result<(), PickleError> {
        let arena = &self.source.arena;
        let (Some(text), Some("latin1")) = (arena.text(text), arena.text(encoding)) else {
            return Err(self.malformed("bytes are not encoded as Latin-1"));
        };
        // The same text can be encoded again and again. All texts once fit into the stream.
        self.source.encoded = self.source.encoded.saturating_add(text.len());
        if self.source.encoded > self.source.input.len() {
            return Err(self.malformed("texts are encoded more than once"));
        }
        match text.chars().map(|letter| u8::try_from(u32::from(letter))).collect::<Result<_, _>>() {
            Ok(bytes) => self.make(Node::Bytes(Cow::Owned(bytes))),
            Err(_) => Err(self.malformed("a text has letters that are not in Latin-1")),
        }
    }

    /// An array of joblib's, whose data follows in the stream: raw, or a pickle of its own where it has objects.
    fn read_array(&mut self, state: Handle) -> Result<Handle, PickleError> {
        let (dtype, shape, aligned) = self
            .wrapped(state)
            .ok_or_else(|| self.malformed("joblib describes an array as it never does"))?;
        if self.source.input.at() < self.frame_end {
            return Err(self.malformed("the data of joblib's array begins inside a frame"));
        }
        self.frame_end = 0;
        if dtype.is_object() {
            let array = Machine::new(self.source, true).run()?;
            return match &self.source.arena[array] {
                Node::Array(inner) if inner.shape == shape => Ok(array),
                _ => Err(self.malformed("in place of joblib's array there is something else")),
            };
        }
        let input = &mut self.source.input;
        if aligned {
            let padding = input.u8()?;
            input.take(padding.into())?;
        }
        let raw = input.take(dtype.bytes(shape).unwrap_or(u64::MAX))?;
        self.source.arena.add(Node::Array(Box::new(Array { dtype, shape, data: Data::Raw(raw) })))
    }

    /// Dtype and shape of an array of joblib's, and whether padding comes first, as since joblib 1.2.
    fn wrapped(&self, state: Handle) -> Option<(Dtype, Shape, bool)> {
        let arena = &self.source.arena;
        let Node::Dict(entries) = &arena[state] else { return None };
        if entries.len() > MAX_WRAPPER || !self.is(arena.entry(entries, "subclass")?, Global::Ndarray) {
            return None;
        }
        // The order says how a matrix lies in memory. No matrix of more than one row is used.
        if !matches!(arena.text(arena.entry(entries, "order")?), Some("C" | "F")) {
            return None;
        }
        let aligned = match arena.entry(entries, "numpy_array_alignment_bytes").map(|handle| &arena[handle]) {
            None | Some(Node::None) => false,
            Some(Node::Int(_)) => true,
            Some(_) => return None,
        };
        let dtype = self.dtype(arena.entry(entries, "dtype")?)?;
        Some((dtype, Shape::read(arena, arena.entry(entries, "shape")?)?, aligned))
    }
}
