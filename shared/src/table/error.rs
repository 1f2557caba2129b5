//! Why a table cannot be used.

use std::io;

/// Why a table cannot be used: what is wrong, where, and the way out.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be opened or read.
    #[error("cannot read {file}: {why}")]
    Unreadable {
        /// The file, or what stands for it.
        file: String,
        /// The reason.
        why: io::Error,
    },
    /// The table as a whole: it is no table, its header lacks a column, or there are no features or rows.
    #[error("{file}: {why}")]
    Shape {
        /// The file.
        file: String,
        /// What is wrong, what is there instead, and the way out.
        why: String,
    },
    /// A line, such as one with more or fewer cells than the header.
    #[error("{file}, line {line}: {why}")]
    Line {
        /// The file.
        file: String,
        /// The line, counted from 1 with the header.
        line: u64,
        /// What is wrong.
        why: String,
    },
    /// A cell.
    #[error("{file}, line {line}, column {column}: {why}")]
    Cell {
        /// The file.
        file: String,
        /// The line, counted from 1 with the header.
        line: u64,
        /// The column's name.
        column: String,
        /// What is wrong, and the way out.
        why: String,
    },
    /// A number that can be read in two ways, where nothing in the table shows which is right. It speaks of the table as a
    /// whole: numbers like it stand in other lines too.
    #[error("{file}, line {line}, column {column}: {why}")]
    Doubtful {
        /// The file.
        file: String,
        /// The line, counted from 1 with the header.
        line: u64,
        /// The column's name.
        column: String,
        /// The way out.
        why: String,
    },
}
