//! What the journal promises, held against disks that fail.
