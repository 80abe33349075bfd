//! An origin that lies: it passes on what another one answers, changed as a test says.

use bindery::base::id::StatementId;
use bindery::base::{Error, Result};
use bindery::remote::origin::{Origin, Sink, Wanted};
use bindery::store::rows::SnapshotRef;
use bindery::trust::heads::RefsObject;

/// Changes one answer.
pub type Twist<A> = Box<dyn Fn(A) -> A>;

/// Changes one answer to a question for something.
pub type TwistOf<Q, A> = Box<dyn Fn(Q, A) -> A>;

/// An origin between an honest one and whoever pulls.
pub struct Liar<'o> {
    honest: &'o dyn Origin,
    pub keyset: TwistOf<u64, Option<Vec<u8>>>,
    pub heads: Twist<Vec<u8>>,
    pub refs_list: TwistOf<RefsObject, Result<Vec<u8>>>,
    pub statement: TwistOf<StatementId, Result<Vec<u8>>>,
    pub wanted: Twist<Wanted>,
    pub pack: Twist<Vec<u8>>,
}

impl<'o> Liar<'o> {
    /// One that does not lie yet.
    pub fn new(honest: &'o dyn Origin) -> Self {
        Self {
            honest,
            keyset: Box::new(|_, note| note),
            heads: Box::new(|note| note),
            refs_list: Box::new(|_, list| list),
            statement: Box::new(|_, note| note),
            wanted: Box::new(|wanted| wanted),
            pack: Box::new(|pack| pack),
        }
    }
}

impl Origin for Liar<'_> {
    fn place(&self) -> String {
        self.honest.place()
    }

    fn keyset(&self, version: u64) -> Result<Option<Vec<u8>>> {
        Ok((self.keyset)(version, self.honest.keyset(version)?))
    }

    fn heads(&self) -> Result<Vec<u8>> {
        Ok((self.heads)(self.honest.heads()?))
    }

    fn refs_list(&self, object: RefsObject) -> Result<Vec<u8>> {
        (self.refs_list)(object, self.honest.refs_list(object))
    }

    fn statement(&self, id: StatementId) -> Result<Vec<u8>> {
        (self.statement)(id, self.honest.statement(id))
    }

    fn pack(&self, wanted: Wanted, out: &mut dyn Sink) -> Result<Option<SnapshotRef>> {
        out.asked();
        let mut pack = Vec::new();
        self.honest.pack((self.wanted)(wanted), &mut pack)?;
        out.write_all(&(self.pack)(pack))
            .map_err(Error::io("write", std::path::Path::new("the download")))?;
        // Whatever it is, it is said to be what was asked for.
        Ok(wanted.from)
    }
}
