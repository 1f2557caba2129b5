//! Opcodes that are a value by themselves: numbers, text, bytes and what is empty.

use std::borrow::Cow;

use super::error::PickleError;
use super::input::Input;
use super::numpy::signed;
use super::opcode as op;
use super::value::Node;

/// The value that an opcode stands for, read from the stream; none where it stands for no value.
pub(super) fn read<'a>(opcode: u8, input: &mut Input<'a>) -> Result<Option<Node<'a>>, PickleError> {
    Ok(Some(match opcode {
        op::NONE => Node::None,
        op::NEWTRUE => Node::Bool(true),
        op::NEWFALSE => Node::Bool(false),
        op::EMPTY_TUPLE => Node::Tuple(Vec::new()),
        op::EMPTY_LIST => Node::List(Vec::new()),
        op::EMPTY_DICT => Node::Dict(Vec::new()),
        op::BININT1 => Node::Int(input.u8()?.into()),
        op::BININT2 => Node::Int(u16::from_le_bytes(input.array()?).into()),
        op::BININT => Node::Int(i32::from_le_bytes(input.array()?).into()),
        op::LONG1 => integer(input.u8()?.into(), input)?,
        // A negative length is read as one that is too large, and refused as such.
        op::LONG4 => integer(input.u32()?, input)?,
        op::BINFLOAT => Node::Float(f64::from_be_bytes(input.array()?)),
        op::SHORT_BINUNICODE => text(input.u8()?.into(), input)?,
        op::BINUNICODE => text(input.u32()?.into(), input)?,
        op::BINUNICODE8 => text(input.u64()?, input)?,
        op::SHORT_BINBYTES => bytes(input.u8()?.into(), input)?,
        op::BINBYTES => bytes(input.u32()?.into(), input)?,
        op::BINBYTES8 | op::BYTEARRAY8 => bytes(input.u64()?, input)?,
        _ => return Ok(None),
    }))
}

fn integer<'a>(length: u32, input: &mut Input<'a>) -> Result<Node<'a>, PickleError> {
    let bytes = input.take(length.into())?;
    Ok(if bytes.len() <= 8 { Node::Int(signed(bytes)) } else { Node::Ignored })
}

fn text<'a>(length: u64, input: &mut Input<'a>) -> Result<Node<'a>, PickleError> {
    input.text(length).map(Node::Text)
}

fn bytes<'a>(length: u64, input: &mut Input<'a>) -> Result<Node<'a>, PickleError> {
    input.take(length).map(|bytes| Node::Bytes(Cow::Borrowed(bytes)))
}
