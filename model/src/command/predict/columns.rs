//! Which columns of a table the model's features are, and what it weighs of a record.

use anyhow::{Context as _, anyhow, bail, ensure};
use shared::message::{Cell, Rejection};
use shared::printable::{names, piece, quoted};
use shared::table::{Layout, Record};

use super::{PredictOptions, TABLE, Unfilled};
use crate::encode::Encoding;
use crate::inputs::Inputs;
use crate::predictor::Predictor;

/// A row of the table.
pub(super) struct TableRow {
    /// Where it stands.
    pub(super) line: u64,
    /// Its id, if one is wanted.
    pub(super) id: Option<String>,
    /// Its features in the model's order.
    pub(super) features: Vec<f64>,
}

/// Where the features stand in the table, and what is done to them.
pub(super) struct TableColumns {
    /// Which columns are read, and as what.
    pub(super) layout: Layout,
    encoding: Encoding,
}

impl TableColumns {
    /// Finds each feature of the model, by name where it has names.
    pub(super) fn find(header: &[String], inputs: &Inputs, id: Option<&str>) -> anyhow::Result<Self> {
        let has = || format!("its header has {}", names(header));
        let find = |wanted: &str| -> anyhow::Result<Option<usize>> {
            let mut places = (0..header.len()).filter(|place| header[*place] == wanted);
            let place = places.next();
            ensure!(places.next().is_none(), "the table has the column {} twice; rename one", quoted(wanted));
            Ok(place)
        };
        let id = match id {
            None => None,
            Some(id) => Some(
                find(id)?
                    .with_context(|| format!("the table has no column {} for --id; {}", quoted(id), has()))?,
            ),
        };
        let (features, encoding) = match inputs.encoding() {
            // By name: the table may have them in any order, and others beside.
            Some(encoding) => {
                let features = encoding.features();
                let places: Vec<Option<usize>> =
                    features.iter().map(|name| find(name)).collect::<Result<_, _>>()?;
                let lacking = features.iter().zip(&places).filter(|(_, place)| place.is_none());
                let missing: Vec<&String> = lacking.map(|(name, _)| name).collect();
                ensure!(missing.is_empty(), "the table lacks the features {}; {}", names(missing), has());
                (places.into_iter().flatten().collect(), encoding.clone())
            }
            None => {
                let features: Vec<usize> = (0..header.len()).filter(|column| Some(*column) != id).collect();
                let (wanted, got) = (inputs.count(), features.len());
                ensure!(
                    wanted == got,
                    "the model expects {wanted} features (names unknown), the table has {got} columns; {}",
                    has()
                );
                let names = features.iter().map(|column| header[*column].clone()).collect();
                (features, Encoding::plain(names))
            }
        };
        let categories = encoding.categories();
        let one_hot =
            features.iter().copied().filter(|column| categories.contains_key(&header[*column])).collect();
        let layout = Layout { id, features, one_hot, ..Layout::default() };
        Ok(Self { layout, encoding })
    }

    /// The row of a record; none where it is left out for a missing cell.
    pub(super) fn read(
        &self,
        record: Record,
        predictor: &Predictor,
        options: &PredictOptions,
    ) -> anyhow::Result<Option<TableRow>> {
        let Record { line, cells } = record;
        let refuse = |why: Rejection| anyhow!("{TABLE}, line {line}: {}", why.detail);
        let Layout { id, features, one_hot, .. } = &self.layout;
        for (column, name) in features.iter().zip(self.encoding.features()) {
            if let Cell::Text(text) = &cells[*column]
                && !one_hot.contains(column)
            {
                bail!(
                    "{TABLE}, line {line}, column {}: {} is not a finite number",
                    piece(name),
                    quoted(text)
                );
            }
        }
        let features = match self.encoding.encode(features.iter().map(|column| &cells[*column])) {
            Ok(features) => features,
            Err(why) if why.reason == Rejection::MISSING && options.missing == Unfilled::Drop => {
                return Ok(None);
            }
            Err(why) if why.reason == Rejection::MISSING => {
                bail!("{:#}; or leave such rows out with --missing drop", refuse(why))
            }
            Err(why) => return Err(refuse(why)),
        };
        predictor.check_numbers(&features).map_err(refuse)?;
        if options.strict
            && let Some(outside) = predictor.inputs().outside(&features).next()
        {
            bail!("{TABLE}, line {line}: {outside}");
        }
        let id = id.map(|column| match &cells[column] {
            Cell::Text(id) => id.to_string(),
            Cell::Number(number) => number.to_string(),
            Cell::Missing => String::new(),
        });
        Ok(Some(TableRow { line, id, features }))
    }
}
