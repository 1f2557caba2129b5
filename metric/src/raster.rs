//! SVG as PNG. The one place that knows the library for it, which is there with the feature `png` only: it costs the first build too
//! much.

/// Whether this program can do it.
pub(crate) const IS_BUILT: bool = cfg!(feature = "png");

/// What to do where it cannot.
pub(crate) const HOW: &str =
    "this program was built without PNG; build it with `--features png`, as the image is, or draw to .svg";

/// Pixels of the picture for one of the drawing, for screens that show as many.
#[cfg(feature = "png")]
const SCALE: f32 = 2.0;

/// Draws it, with the font that is in the program: a system may have none.
///
/// # Errors
/// SVG that cannot be read, or a program that was built without this.
#[cfg(feature = "png")]
pub(crate) fn png(svg: &str) -> anyhow::Result<Vec<u8>> {
    use std::sync::Arc;

    use anyhow::Context as _;
    use resvg::tiny_skia::{Pixmap, Transform};
    use resvg::usvg::fontdb::Source;
    use resvg::usvg::{Options, Tree};

    let mut options = Options::default();
    let fonts = options.fontdb_mut();
    // One face: a second one is 0.7 MB in each program, and headings are larger anyway.
    fonts.load_font_source(Source::Binary(Arc::new(dejavu::sans::regular())));
    fonts.set_sans_serif_family("DejaVu Sans");
    let tree = Tree::from_str(svg, &options).context("the picture cannot be drawn")?;
    let size = tree.size().to_int_size().scale_by(SCALE).context("the picture has no size")?;
    let mut pixels = Pixmap::new(size.width(), size.height()).context("the picture is too large")?;
    resvg::render(&tree, Transform::from_scale(SCALE, SCALE), &mut pixels.as_mut());
    pixels.encode_png().context("the picture cannot be written as PNG")
}

/// Says that it cannot.
///
/// # Errors
/// Always.
#[cfg(not(feature = "png"))]
pub(crate) fn png(_svg: &str) -> anyhow::Result<Vec<u8>> {
    anyhow::bail!(HOW)
}
