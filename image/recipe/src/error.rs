//! Everything that can be wrong with a recipe, each with its place and remedy.

/// Why a recipe cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum RecipeError {
    /// Placeholder while the skeleton is published.
    #[error("composition is not written yet")]
    Unfinished,
}
