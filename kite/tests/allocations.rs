//! Reading packets allocates nothing, counted by an allocator that counts.

use kite::{Detail, FrameBuilder, Full, IndexQuote, Packet, Packets, Quote, Token};

#[test]
fn reading_a_frame_allocates_nothing() {
    let details = [
        Detail::Ltp,
        Detail::IndexQuote(IndexQuote::default()),
        Detail::IndexFull(IndexQuote::default(), 1),
        Detail::Quote(Quote::default()),
        Detail::Full(Quote::default(), Full::default()),
    ];
    let mut builder = FrameBuilder::default();
    for (number, detail) in (0..).zip(details.into_iter().cycle().take(1_000)) {
        let packet = Packet {
            token: Token(number),
            last_price: 1,
            detail,
        };
        assert!(builder.push(&packet));
    }
    let mut frame = builder.finish();
    // What cannot be read is an error, and that costs nothing either.
    frame.extend_from_slice(&[0, 3, 1]);
    let (mut packets, mut errors) = (0, 0);
    let allocations = allocation_counter::measure(|| {
        for packet in Packets::new(&frame) {
            match packet {
                Ok(_) => packets += 1,
                Err(_) => errors += 1,
            }
        }
    });
    assert_eq!((packets, errors), (1_000, 1));
    assert_eq!(allocations.count_total, 0);
}
