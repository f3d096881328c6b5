//! `explain`: why something is where it is, or waits.

mod text;

use contract::answer::{EXPLAIN_PATH, ExplainAnswer};

use crate::args::{ExplainArgs, ObjectKind};
use crate::output::Screen;
use crate::source::Source;

pub(crate) async fn run(
    source: &Source,
    screen: &Screen,
    args: &ExplainArgs,
) -> anyhow::Result<()> {
    let object = &args.object;
    anyhow::ensure!(
        object.kind == ObjectKind::Set || args.symbol.is_none(),
        "an account has no instruments of its own: name a set, iset/NAME"
    );
    anyhow::ensure!(
        source.namespace().is_some(),
        "one object is in one namespace: name it with --namespace instead of --all-namespaces"
    );
    let mut parameters = vec![
        ("kind", object.kind.as_str()),
        ("name", object.name.as_str()),
    ];
    parameters.extend(args.symbol.as_deref().map(|symbol| ("symbol", symbol)));
    let mut answer: ExplainAnswer = source.ask(EXPLAIN_PATH, &parameters).await?;
    if let ExplainAnswer::Instrument(it) = &mut answer
        && let Some(account) = &it.account
    {
        let token = it.instrument.token;
        it.connection = source.connection_of(&it.namespace, account, token).await;
    }
    screen.print(&answer, text::of)
}
