//! What MMF costs beside its peers: the function that all of them call, the annotated functions, and
//! the table that the programs in `src/bin` print.

pub mod by_hand;
pub mod functions;
pub mod round;
pub mod table;
