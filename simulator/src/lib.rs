//! A wire-faithful Kite: the ticker WebSocket, the REST routes this project needs, and a market that
//! moves. Official clients connect to it unmodified.
//!
//! # Ticker
//! `GET /?api_key=K&access_token=T`. Any key and token are good until the token is revoked. Before
//! the upgrade: 400 without either, 403 for a revoked token, 429 for a fourth connection of a key.
//! A zero byte each second; a snapshot after a subscription or a change of mode; then a packet
//! whenever a field of the mode changed. Subscribing means quote mode, also for a token that
//! already has another mode. A mode for a token that is not subscribed is ignored. A reader that is
//! 8 MiB behind is disconnected.
//!
//! # REST
//! `GET /instruments[/EXCHANGE]`, `GET /user/profile`, `POST` and `DELETE /session/token`.
//!
//! # Login
//! `GET /connect/login?v=3&api_key=K&redirect_params=P` is a page that lets everybody pass. It posts `v`, `api_key`,
//! `redirect_params`, `user_id`, `password`, `totp` and `decision` (`login` or `cancel`) as a form to `/connect/login`, which
//! a program may do by itself. The answer is a 302 to `--redirect-url` with `request_token`, `action=login`, `type=login`,
//! `status=success` and the parameters that the query string P holds; after `cancel` with `status=error` and without
//! `request_token`. `POST /session/token` accepts request tokens from there only: for two minutes, once, for their API key,
//! and with a checksum made with `--api-secret`, without which none is right. The minutes are elapsed time: neither
//! `--wall-clock` nor `/sim/clock` makes a request token older. An access token from there belongs to the user who logged
//! in and is good for its API key; all others are the token of SIM001 for every key. It ends the access tokens from there that
//! its user had for the same API key, as if they were revoked; open sockets stay.
//!
//! # Clock
//! `--wall-clock START,RATE` sets the time of packets, sessions, the first day's instruments list
//! and `--token-flush`. Heartbeats, rates, faults and request tokens use the machine's clock.
//!
//! # Market hours
//! Instruments tick at any time. With `--market-hours exchange` they do in their sessions alone, by the calendar and the
//! wall clock: before the open only futures; from 15:15 shares with derivatives and indices stand still. A snapshot of what
//! stands still is as old as its last session. `POST /sim/tick` and `POST /sim/prices` work at any time.
//!
//! # Control
//! JSON; `api_key` and `conn` select connections; without them all are selected. Errors are
//! `{"error": TEXT}` with status 400, or 409 if a limit is reached.
//!
//! | route | body | effect |
//! |---|---|---|
//! | `GET /livez`, `GET /sim/health` | | `ok` |
//! | `GET /sim/stats` | | what was written, by connection and API key |
//! | `GET /sim/connections` | | open connections: `id`, `api_key`, `subscribed`, `muted`, `queued_bytes`, `sent` |
//! | `POST /sim/connections/drop` | `api_key?`, `conn?` | cuts sockets without a Close frame |
//! | `POST /sim/tokens/revoke` | `access_token` | 403 from now on; open sockets stay |
//! | `POST /sim/tokens/restore` | `access_token` | the token is valid again |
//! | `POST /sim/tokens/flush` | | revokes every token that was issued or used so far |
//! | `GET /sim/faults` | | the active faults |
//! | `POST /sim/faults` | `api_key?`, `refuse?`, `session?`, `profile?`, `instruments?`, `count?`, `mute?`, `freeze?`, `linger?`, `conflate?` | see [`exchange::faults`] |
//! | `POST /sim/pause` | `paused` | stops or resumes the market; snapshots still work |
//! | `POST /sim/rate` | `rate`, `tokens?` | ticks per second, of all or of some |
//! | `POST /sim/tick` | `tokens` | each trades once, at another price, also while paused |
//! | `POST /sim/prices` | `prices`: list of `token` and `price`, `hold?` | see below |
//! | `POST /sim/market` | `frozen` | prices and the time to expiry stand still, or go on; books tick |
//! | `GET /sim/truth?tokens=1,2` | | what instruments are worth at this moment; see below |
//! | `POST /sim/clock` | `wall_clock` | another wall clock, as in `--wall-clock`, which is not behind the present one |
//! | `POST /sim/packets/raw` | `hex`, `api_key?`, `conn?` | sends a raw binary frame |
//! | `POST /sim/text` | `text`, `api_key?`, `conn?` | sends a raw text frame |
//! | `POST /sim/record` | `tokens?` or `stop` | records packets written; see [`exchange::recorder`] |
//! | `GET /sim/record?conn=&after=&limit=` | | the recording |
//!
//! `POST /sim/prices` makes each of these instruments trade once at a price in rupees, rounded to its tick, and sends the
//! packet, also while paused; the answer is `{"set": COUNT}`. The price then moves on from there. With `"hold": true` it
//! stays, but for what keeps the instrument ticking: an index moves by a hundredth of a rupee and back, everything else
//! trades at its best bid and offer. It stays until it is set without `hold`, or until the next day's list. The price of an
//! index or a share is that of all that depends on it: futures, options, and the share on another exchange follow with
//! their next ticks. A token that is not listed, or a price that is not above zero or does not fit into a packet, is an
//! error, and then no price is set.
//!
//! `GET /sim/truth` answers `{"truth": [...]}` with one object for each token, in the order asked for: `token`, `spot` (the
//! price of the underlying), `forward`, `fair` (the value before it is rounded to an order book), `iv` and `years` (to the
//! end of the contract), in rupees and years of 365 days; what an instrument does not have is `null`. Futures are spot with
//! interest of [`market::pricing::RATE`] until their end; options are valued by Black's formula of 1976 on such a price at
//! their own end, those of commodities on the future that they lead to, and follow that when its price is set. A frozen
//! market stands still until it is told to go on, or until the next day's list; then it is where it would have been.
//!
//! # What it must not do
//! Be linked into another binary, or know anything of its clients beyond Kite's protocol.

pub mod args;
pub mod calendar_file;
pub mod exchange;
pub mod market;
pub mod replay;
pub mod serve;
pub mod server;
pub mod symbols;
pub mod universe;
