//! The stack machine: which opcode does what to the stack. What calls mean is said in `meaning`.

use std::collections::HashMap;

use super::classes::Class;
use super::error::PickleError;
use super::globals::{self, Global};
use super::input::Input;
use super::literal;
use super::opcode as op;
use super::value::{Arena, Entries, Handle, Node};

/// How many values may wait on the stack.
const MAX_STACK: usize = 1_000_000;

/// What an outer pickle and those inside it share.
pub(super) struct Nested<'a> {
    pub(super) input: Input<'a>,
    pub(super) arena: Arena<'a>,
    /// How many bytes of text were made into bytes.
    pub(super) encoded: usize,
    /// The first class of an estimator's: the one that the pickle is about.
    outer: Option<Class>,
}

/// The state of one pickle.
pub(super) struct Machine<'s, 'a> {
    pub(super) source: &'s mut Nested<'a>,
    /// Whether it stands inside another one.
    pub(super) nested: bool,
    stack: Vec<Handle>,
    /// How high the stack was at each open MARK.
    marks: Vec<usize>,
    /// A map, since an index can be far beyond the number of entries.
    memo: HashMap<usize, Handle>,
    /// Where the present opcode is.
    at: usize,
    /// Where the present frame ends, if there is one.
    pub(super) frame_end: usize,
}

/// Runs the whole stream. Returns the values and the one that the pickle is about.
pub(super) fn load(stream: &[u8]) -> Result<(Arena<'_>, Handle), PickleError> {
    let mut source = Nested { input: Input::new(stream), arena: Arena::default(), encoded: 0, outer: None };
    let root = Machine::new(&mut source, false).run()?;
    source.input.finish()?;
    Ok((source.arena, root))
}

impl<'s, 'a> Machine<'s, 'a> {
    pub(super) fn new(source: &'s mut Nested<'a>, nested: bool) -> Self {
        let at = source.input.at();
        Self { source, nested, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), at, frame_end: 0 }
    }

    pub(super) fn run(mut self) -> Result<Handle, PickleError> {
        loop {
            self.at = self.source.input.at();
            match self.source.input.u8()? {
                op::STOP if self.source.input.at() < self.frame_end => {
                    return Err(self.malformed("the model ends inside a frame"));
                }
                op::STOP => return self.pop(),
                opcode => self.step(opcode)?,
            }
            if self.at < self.frame_end && self.source.input.at() > self.frame_end {
                return Err(self.malformed("an opcode goes on after the end of its frame"));
            }
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        let input = &mut self.source.input;
        if let Some(node) = literal::read(opcode, input)? {
            return self.make(node);
        }
        match opcode {
            op::PROTO => match input.u8()? {
                2..=5 => Ok(()),
                0 | 1 => Err(PickleError::UnsupportedFormat { what: "a pickle of protocol 0 or 1" }),
                _ => Err(PickleError::UnsupportedFormat { what: "a pickle of a protocol after 5" }),
            },
            op::FRAME => self.frame(),
            op::GLOBAL => {
                let (module, name) = (input.line()?, input.line()?);
                self.global(module, name)
            }
            // INST would go on to call what it names.
            op::INST => {
                let (module, name) = (input.line()?, input.line()?);
                self.global(module, name)?;
                Err(op::refusal(self.at, opcode))
            }
            op::STACK_GLOBAL => {
                let (name, module) = (self.pop()?, self.pop()?);
                let arena = &self.source.arena;
                match (arena.text(module), arena.text(name)) {
                    (Some(module), Some(name)) => self.global(module, name),
                    _ => Err(self.malformed("a name is not text")),
                }
            }
            op::REDUCE => self.reduce(),
            op::NEWOBJ => self.new_object(),
            op::BUILD => self.build(),
            op::TUPLE => self.since_mark().and_then(|items| self.tuple(items)),
            op::TUPLE1 => self.last(1).and_then(|items| self.tuple(items)),
            op::TUPLE2 => self.last(2).and_then(|items| self.tuple(items)),
            op::TUPLE3 => self.last(3).and_then(|items| self.tuple(items)),
            op::APPEND => self.last(1).and_then(|items| self.append(items)),
            op::APPENDS => self.since_mark().and_then(|items| self.append(items)),
            op::SETITEM => self.last(2).and_then(|items| self.set(&items)),
            op::SETITEMS => self.since_mark().and_then(|items| self.set(&items)),
            op::MARK => self.mark(),
            // As in Python: where there is nothing after the mark, POP takes the mark.
            op::POP if self.marks.last() == Some(&self.stack.len()) => self.since_mark().map(drop),
            op::POP => self.pop().map(drop),
            op::POP_MARK => self.since_mark().map(drop),
            op::MEMOIZE => self.remember(self.memo.len()),
            op::BINPUT => input.u8().and_then(|index| self.remember(index.into())),
            op::LONG_BINPUT => input.u32().and_then(|index| self.remember(index as usize)),
            op::BINGET => input.u8().and_then(|index| self.recall(index.into())),
            op::LONG_BINGET => input.u32().and_then(|index| self.recall(index as usize)),
            _ => Err(op::refusal(self.at, opcode)),
        }
    }

    fn global(&mut self, module: &str, name: &str) -> Result<(), PickleError> {
        let global = globals::find(module, name, self.source.outer)?;
        if let Global::Class(class) = global {
            self.source.outer.get_or_insert(class);
        }
        self.make(Node::Global(global))
    }

    /// FRAME lets readers read ahead. Python's pickle and joblib disagree on files whose frames are not in order.
    fn frame(&mut self) -> Result<(), PickleError> {
        let length = self.source.input.u64()?;
        if self.at < self.frame_end {
            return Err(self.malformed("a frame begins inside another one"));
        }
        self.frame_end = self.source.input.end_of(length)?;
        Ok(())
    }

    fn append(&mut self, items: Vec<Handle>) -> Result<(), PickleError> {
        self.source.arena.refer(items.len())?;
        let list = self.top()?;
        match self.source.arena.change(list) {
            Node::List(list) => list.extend(items),
            _ => return Err(self.malformed("the target of an append is not a list")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Handle]) -> Result<(), PickleError> {
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(self.malformed("a key has no value"));
        };
        self.source.arena.refer(items.len())?;
        let dict = self.top()?;
        match self.source.arena.change(dict) {
            Node::Dict(entries) => entries.extend(pairs.iter().map(|[key, value]| (*key, *value))),
            _ => return Err(self.malformed("the target of an entry is not a dict")),
        }
        Ok(())
    }

    fn mark(&mut self) -> Result<(), PickleError> {
        if self.marks.len() >= MAX_STACK {
            return Err(too_deep());
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    /// Notes the value on top under an index.
    fn remember(&mut self, index: usize) -> Result<(), PickleError> {
        self.source.arena.refer(1)?;
        let top = self.top()?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), PickleError> {
        match self.memo.get(&index) {
            Some(handle) => self.push(*handle),
            None => Err(self.malformed(format!("nothing was noted under {index}"))),
        }
    }

    fn tuple(&mut self, items: Vec<Handle>) -> Result<(), PickleError> {
        self.source.arena.refer(items.len())?;
        self.make(Node::Tuple(items))
    }

    /// Adds a value and pushes it.
    pub(super) fn make(&mut self, node: Node<'a>) -> Result<(), PickleError> {
        let handle = self.source.arena.add(node)?;
        self.push(handle)
    }

    pub(super) fn push(&mut self, handle: Handle) -> Result<(), PickleError> {
        if self.stack.len() >= MAX_STACK {
            return Err(too_deep());
        }
        self.stack.push(handle);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Result<Handle, PickleError> {
        let top = self.top()?;
        self.stack.pop();
        Ok(top)
    }

    pub(super) fn top(&self) -> Result<Handle, PickleError> {
        let floor = self.marks.last().copied().unwrap_or_default();
        let above = self.stack.get(floor..).unwrap_or_default();
        above.last().copied().ok_or_else(|| self.malformed("a value is taken from an empty stack"))
    }

    fn last(&mut self, count: usize) -> Result<Vec<Handle>, PickleError> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        Ok(items)
    }

    fn since_mark(&mut self) -> Result<Vec<Handle>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.malformed("there is no mark"))?;
        Ok(self.stack.drain(mark.min(self.stack.len())..).collect())
    }

    /// A copy of a dict's entries.
    pub(super) fn entries(&mut self, handle: Handle) -> Result<Option<Entries>, PickleError> {
        let Node::Dict(entries) = &self.source.arena[handle] else { return Ok(None) };
        let entries = entries.clone();
        self.source.arena.refer(entries.len())?;
        Ok(Some(entries))
    }

    pub(super) fn malformed(&self, why: impl Into<String>) -> PickleError {
        PickleError::malformed(self.at, why)
    }
}

fn too_deep() -> PickleError {
    PickleError::TooLarge { what: "values on the stack", limit: MAX_STACK }
}
