use OptionRight::{Call, Put};
use proptest::prelude::*;

use super::*;

fn inputs(right: OptionRight, [forward, strike, years, rate, volatility]: [f64; 5]) -> Black76 {
    Black76 {
        right,
        forward,
        strike,
        years,
        rate,
        volatility,
    }
}

/// Right and inputs; then price, delta, gamma, vega and theta, as far as they are known.
type Reference = (OptionRight, [f64; 5], [Option<f64>; 5]);

/// From 40-digit arithmetic, cut to 15 digits.
const REFERENCES: [Reference; 10] = [
    (
        Call,
        [23_659.0, 23_650.0, 0.0136986301369863, 0.0, 0.19],
        [
            Some(214.379788665185),
            Some(0.511259998688593),
            Some(0.000757963825005852),
            Some(11.0426164575849),
            Some(-20.9809712694114),
        ],
    ),
    (
        Put,
        [23_659.0, 23_650.0, 0.0136986301369863, 0.0, 0.19],
        [
            Some(205.379788665185),
            Some(-0.488740001311407),
            None,
            None,
            None,
        ],
    ),
    (
        Call,
        [23_659.0, 25_650.0, 0.0136986301369863, 0.0, 0.25],
        [
            Some(0.623996736470219),
            Some(0.00300907207313096),
            Some(1.32522372834724e-5),
            Some(0.254038254754377),
            Some(-0.635095636885942),
        ],
    ),
    (
        Call,
        [23_659.0, 21_000.0, 0.0136986301369863, 0.0, 0.579],
        [
            Some(2682.86411767053),
            Some(0.963526996991236),
            Some(4.98505372616248e-5),
            Some(2.2131880438563),
            Some(-12.814358773928),
        ],
    ),
    (
        Call,
        [100.0, 100.0, 1.0, 0.05, 0.2],
        [
            Some(7.57708214642727),
            Some(0.513500122982493),
            Some(0.0188796471645325),
            Some(0.37759294329065),
            Some(-0.00930705568653463),
        ],
    ),
    (
        Put,
        [100.0, 100.0, 1.0, 0.05, 0.2],
        [
            Some(7.57708214642727),
            Some(-0.437729301518221),
            None,
            None,
            None,
        ],
    ),
    (
        Call,
        [25_000.0, 25_000.0, 7.13470319634703e-5, 0.0, 0.12],
        [
            Some(10.1092574681598),
            Some(0.500202185149363),
            Some(0.0157434822825133),
            Some(0.842438050220102),
            Some(-194.097726770712),
        ],
    ),
    (
        Call,
        [23_659.0, 23_700.0, 1.0 / 73.0, 0.065, 0.19],
        [
            Some(190.037984018274),
            Some(0.4729722361187867),
            Some(7.559055429099911e-4),
            Some(11.01262977616787),
            Some(-20.89015419400337),
        ],
    ),
    (
        Put,
        [23_659.0, 23_700.0, 1.0 / 73.0, 0.065, 0.19],
        [
            Some(231.0014934171854),
            Some(-0.5261377492205155),
            Some(7.559055429099911e-4),
            Some(11.01262977616787),
            Some(-20.88285932246658),
        ],
    ),
    (
        Put,
        [23_659.0, 23_650.0, 1.0 / 73.0, 0.0, 0.19],
        [None, None, Some(0.000757963825005852), None, None],
    ),
];

#[track_caller]
fn assert_close(found: f64, exact: f64, digits: f64, what: &str) {
    let error = (found / exact - 1.0).abs();
    assert!(error <= digits, "{what}: {found}, not {exact}: {error:e}");
}

/// The references themselves have 15 digits.
#[test]
fn references_are_met_to_more_than_ten_digits() {
    for (right, numbers, exact) in REFERENCES {
        let inputs = inputs(right, numbers);
        let greeks = inputs.greeks().unwrap();
        let found = [
            inputs.price().unwrap(),
            greeks.delta,
            greeks.gamma,
            greeks.vega,
            greeks.theta,
        ];
        for (found, exact) in found.into_iter().zip(exact) {
            if let Some(exact) = exact {
                assert_close(found, exact, 1e-12, &format!("{inputs:?}"));
            }
        }
    }
    let numbers = [23_659.0, 23_700.0, 1.0 / 73.0, 0.065, 0.19];
    let rho = |right| inputs(right, numbers).greeks().unwrap().rho;
    assert_close(rho(Call), -0.02603260055044849, 1e-12, "rho of a call");
    assert_close(rho(Put), -0.031644040194, 1e-11, "rho of a put");
}

/// Far from the money, minutes before the end and years before it: price, delta, gamma, theta, vega and rho from 60-digit
/// arithmetic on the same binary inputs.
const FAR: [(OptionRight, [f64; 5], [f64; 6]); 8] = [
    (
        Call,
        [100.0, 250.0, 0.02, 0.05, 0.6],
        [
            2.131561001262226e-27,
            2.7687336801867077e-27,
            3.539551702419174e-27,
            -1.7455031469327255e-26,
            4.247462042903008e-27,
            -4.263122002524452e-31,
        ],
    ),
    (
        Put,
        [24000.0, 23990.0, 1.902_587_519_025_875e-6, 0.0525, 0.01],
        [
            8.499968850357682e-203,
            -7.774777097873226e-201,
            7.103720367811107e-199,
            -5.605127302694112e-197,
            7.784899033217651e-200,
            -1.6171934646799243e-210,
        ],
    ),
    (
        Call,
        [24000.0, 31000.0, 0.0833, 0.0525, 0.14],
        [
            1.976985018205106e-08,
            1.3556304026155797e-10,
            9.037573311388507e-13,
            -1.3973949221035691e-08,
            6.070819965546976e-08,
            -1.6468285201648533e-11,
        ],
    ),
    (
        Put,
        [5e-3, 4e-3, 10.0, -0.05, 3.0],
        [
            0.006594869592240332,
            -1.541941374720536e-06,
            0.00016127905934963186,
            -9.034565027566943e-07,
            1.209592945122239e-09,
            -0.0006594869592240331,
        ],
    ),
    (
        Call,
        [80000.0, 80100.0, 9.5, 0.12, 0.35],
        [
            10490.354392817102,
            0.22540532886399003,
            1.2790550019167229e-06,
            2.0752136065388953,
            272.1829044078786,
            -996.5836673176246,
        ],
    ),
    (
        Put,
        [24000.0, 12000.0, 0.25, 0.0525, 0.22],
        [
            4.113932324800253e-08,
            -1.0196297413366732e-10,
            2.5130372015656613e-13,
            -9.591268497358593e-09,
            7.961301854560015e-08,
            -1.0284830812000632e-10,
        ],
    ),
    (
        Call,
        [85.25, 85.25, 1.902_587_519_025_875e-6, 0.065, 0.02],
        [
            0.0009382243867849382,
            0.5000054409482366,
            169.63415782901396,
            -0.675521391361259,
            0.00046911219336271813,
            -1.7850540083427285e-11,
        ],
    ),
    (
        Call,
        [1000.0, 700.0, 0.08, 0.0525, 0.3],
        [
            298.7428432740265,
            0.9957979664816372,
            5.6989760520943e-07,
            0.042899599670279356,
            0.0001367754252502632,
            -0.2389942746192212,
        ],
    ),
];

#[test]
fn the_ends_of_the_range_have_ten_digits_too() {
    for (right, numbers, exact) in FAR {
        let inputs = inputs(right, numbers);
        let greeks = inputs.greeks().unwrap();
        let found = [
            inputs.price().unwrap(),
            greeks.delta,
            greeks.gamma,
            greeks.theta,
            greeks.vega,
            greeks.rho,
        ];
        for (found, exact) in found.into_iter().zip(exact) {
            assert_close(found, exact, 1e-11, &format!("{inputs:?}"));
        }
    }
}

#[test]
fn what_the_formula_does_not_know_has_no_price() {
    let good = [100.0, 100.0, 1.0, 0.05, 0.2];
    assert!(inputs(Call, good).greeks().is_some());
    for at in [0, 1, 2, 4] {
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut numbers = good;
            numbers[at] = wrong;
            assert_eq!(inputs(Put, numbers).price(), None, "{numbers:?}");
            assert_eq!(inputs(Put, numbers).greeks(), None, "{numbers:?}");
        }
    }
    let mut negative = good;
    negative[3] = -0.05;
    assert!(inputs(Put, negative).greeks().is_some(), "a negative rate");
}

/// A usual option, one minute to ten years.
fn usual() -> impl Strategy<Value = [f64; 5]> {
    let parts = (
        1.0_f64..1e5,
        -6.0_f64..6.0,
        2e-6_f64..10.0,
        -0.05_f64..0.12,
        0.01_f64..3.0,
    );
    parts.prop_map(|(forward, distance, years, rate, volatility)| {
        let strike = forward * (distance * volatility * years.sqrt()).exp();
        [forward, strike, years, rate, volatility]
    })
}

proptest! {
    #[test]
    fn call_and_put_agree_on_the_forward(numbers in usual()) {
        let [forward, strike, years, rate, _] = numbers;
        let (call, put) = (inputs(Call, numbers), inputs(Put, numbers));
        let discount = (-rate * years).exp();
        let difference = call.price().unwrap() - put.price().unwrap();
        let scale = forward.max(strike) * discount;
        prop_assert!((difference - discount * (forward - strike)).abs() <= 1e-10 * scale);
        let (call, put) = (call.greeks().unwrap(), put.greeks().unwrap());
        prop_assert!((call.delta - put.delta - discount).abs() <= 1e-12 * discount);
        prop_assert_eq!((call.gamma, call.vega), (put.gamma, put.vega));
    }

    #[test]
    fn a_price_lies_between_its_bounds(numbers in usual(), is_call: bool) {
        let right = if is_call { Call } else { Put };
        let [forward, strike, years, rate, _] = numbers;
        let it = inputs(right, numbers);
        let price = it.price().unwrap() * (rate * years).exp();
        let slack = 1e-12 * forward.max(strike);
        prop_assert!(price >= right.payoff(forward, strike) - slack);
        prop_assert!(price <= right.bound(forward, strike) + slack);
        let greeks = it.greeks().unwrap();
        prop_assert!(greeks.gamma >= 0.0 && greeks.vega >= 0.0);
    }

    /// Never NaN, never infinity.
    #[test]
    fn every_finite_input_has_finite_values_or_none(numbers: [f64; 5], magnitudes in any::<[i8; 5]>(), is_call: bool) {
        let right = if is_call { Call } else { Put };
        let mild = std::array::from_fn(|at| (f64::from(magnitudes[at]) / 4.0).exp());
        for numbers in [numbers, numbers.map(f64::abs), mild] {
            let it = inputs(right, numbers);
            if let Some(price) = it.price() {
                prop_assert!(price.is_finite(), "{:?}", it);
            }
            if let Some(Greeks { delta, gamma, theta, vega, rho }) = it.greeks() {
                prop_assert!([delta, gamma, theta, vega, rho].iter().all(|it| it.is_finite()), "{:?}", it);
            }
        }
    }
}
