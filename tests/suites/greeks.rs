//! Prices, Greeks and volatilities beside those of a library that others keep.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use greeks::black76::Black76;
use greeks::{OptionRight, implied_volatility};

/// How many options are compared.
const CASES: usize = 20_000;

/// They are the same in every run.
const SEED: u64 = 1_976;

/// An option, what we say of it, and the volatility that we find for its price.
struct Case {
    inputs: Black76,
    price: f64,
    volatility: Option<f64>,
}

impl Case {
    /// One minute to ten years, 1 to 300 %, at most six deviations from the money, in and out of it.
    fn random(random: &mut fastrand::Rng) -> Result<Self> {
        let mut between = |low: f64, high: f64| low + (high - low) * random.f64();
        let forward = between(1_f64.ln(), 1e5_f64.ln()).exp();
        let years = between((60.0 / 31_536_000.0_f64).ln(), 10_f64.ln()).exp();
        let volatility = between(0.01_f64.ln(), 3_f64.ln()).exp();
        let distance = between(-6.0, 6.0);
        let inputs = Black76 {
            right: if random.bool() {
                OptionRight::Call
            } else {
                OptionRight::Put
            },
            forward,
            strike: forward * (distance * volatility * years.sqrt()).exp(),
            years,
            rate: -0.05 + 0.17 * random.f64(),
            volatility,
        };
        let price = inputs.price().context("no price")?;
        let growth = (inputs.rate * years).exp();
        let Black76 { right, strike, .. } = inputs;
        let volatility = implied_volatility(right, forward, strike, years, price * growth).ok();
        Ok(Self {
            inputs,
            price,
            volatility,
        })
    }

    fn line(&self) -> String {
        let it = &self.inputs;
        let right = match it.right {
            OptionRight::Call => 'c',
            OptionRight::Put => 'p',
        };
        let other = self.volatility.unwrap_or(f64::NAN);
        format!(
            "{right} {:?} {:?} {:?} {:?} {:?} {:?} {other:?}\n",
            it.forward, it.strike, it.years, it.rate, it.volatility, self.price
        )
    }

    /// Compares with price, Greeks, volatility of our price and price at our volatility, as the library has them.
    fn check(&self, theirs: &[f64]) -> Result<()> {
        let inputs = &self.inputs;
        let ours = inputs.greeks().context("no Greeks")?;
        let [price, delta, gamma, theta, vega, rho, volatility, repriced] = *theirs else {
            anyhow::bail!("{theirs:?}");
        };
        let pairs = [
            ("price", self.price, price),
            ("delta", ours.delta, delta),
            ("gamma", ours.gamma, gamma),
            ("vega", ours.vega, vega),
            ("rho", ours.rho, rho),
        ];
        for (name, ours, theirs) in pairs {
            ensure!(is_near(ours, theirs, 1e-10), "{name}: {ours} {theirs}");
        }
        // A difference: its digits are those of its terms.
        let near = is_near(ours.theta, theta, 1e-10)
            || (ours.theta - theta).abs() <= 1e-15 * inputs.forward;
        ensure!(near, "theta: {} {theta}", ours.theta);
        if inputs.right.payoff(inputs.forward, inputs.strike) == 0.0 {
            let ours = self.volatility.context("no volatility")?;
            ensure!(is_near(ours, volatility, 1e-9), "{ours} {volatility}");
            ensure!(is_near(ours, inputs.volatility, 1e-9), "{ours}");
        } else if self.volatility.is_some() {
            // In the money a price does not hold the volatility: what is found has to give the price.
            ensure!(is_near(repriced, self.price, 1e-10), "{repriced}");
        } else {
            let growth = (inputs.rate * inputs.years).exp();
            let payoff = inputs.right.payoff(inputs.forward, inputs.strike);
            let left = self.price * growth - payoff;
            ensure!(
                left.abs() <= 1e-12 * inputs.forward.max(inputs.strike),
                "{left}"
            );
        }
        Ok(())
    }
}

fn is_near(one: f64, other: f64, relative: f64) -> bool {
    (one - other).abs() <= relative * other.abs()
}

#[test]
fn values_are_those_of_vollib() -> Result<()> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let cases = (0..CASES).map(|_| Case::random(&mut random));
    let cases = cases.collect::<Result<Vec<Case>>>()?;
    let lines: String = cases.iter().map(Case::line).collect();
    let text = vollib(lines)?;
    let answers: Vec<&str> = text.lines().collect();
    assert_eq!(answers.len(), cases.len());
    let (mut in_the_money, mut solved) = (0, 0);
    for (case, answer) in cases.iter().zip(answers) {
        let numbers = answer
            .split(' ')
            .map(str::parse)
            .collect::<Result<Vec<f64>, _>>()?;
        case.check(&numbers)
            .with_context(|| format!("{:?}: {answer}", case.inputs))?;
        if case
            .inputs
            .right
            .payoff(case.inputs.forward, case.inputs.strike)
            > 0.0
        {
            in_the_money += 1;
            solved += usize::from(case.volatility.is_some());
        }
    }
    // Nothing was skipped unseen.
    ensure!(
        in_the_money > CASES / 3 && solved > in_the_money * 9 / 10,
        "{solved} of {in_the_money}"
    );
    Ok(())
}

/// What the library prints for these lines.
fn vollib(lines: String) -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut child = Command::new(root.join(".state/python/bin/python"))
        .args(["-W", "ignore"])
        .arg(root.join("tests/clients/black76.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("run `tests/install suites`")?;
    let mut input = child.stdin.take().context("no input")?;
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = child.wait_with_output()?;
    // The program may have ended before it read everything: then it says more than the writer.
    ensure!(output.status.success(), "{:?}", output.status);
    writer.join().map_err(|_| anyhow::anyhow!("the writer"))??;
    Ok(String::from_utf8(output.stdout)?)
}
