//! Software bills of materials.
