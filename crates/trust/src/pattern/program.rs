//! A pattern as sets of positions, 64 in a word: each character of a text takes a few operations for each 64
//! characters of the pattern, without backtracking (Navarro and Raffinot,
//! "Flexible Pattern Matching in Strings", 2002, §4.5).

/// Bytes of a pattern.
pub const MAX_PATTERN_BYTES: usize = 512;
/// `?` in a row. Those beside a `*` do not count.
pub const MAX_OPTIONAL_RUN: usize = 16;

const WORD_BITS: usize = u64::BITS as usize;
/// Positions are between characters, so there is one more than characters.
const MAX_WORDS: usize = MAX_PATTERN_BYTES / WORD_BITS + 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Literal(char),
    ExactlyOne,
    NoneOrOne,
    Any,
}

#[derive(Clone, Debug)]
pub(super) struct Program {
    length: usize,
    /// Positions that remain after any character: those before `*`.
    stays: Box<[u64]>,
    /// Positions that any character advances from.
    goes_on: Box<[u64]>,
    /// Positions that advance without a character.
    skips: Box<[u64]>,
    /// The longest row of those.
    longest_skip: usize,
    /// The positions that a certain character advances from, sorted by character.
    literals: Vec<(char, Box<[u64]>)>,
}

impl Program {
    /// `None` for more than [`MAX_OPTIONAL_RUN`] optional characters in a row: each adds a step to every character.
    pub(super) fn new(tokens: impl Iterator<Item = Token>) -> Option<Self> {
        let tokens = simplified(tokens);
        let longest_skip = longest_skip(&tokens);
        if longest_skip > MAX_OPTIONAL_RUN {
            return None;
        }
        let words = tokens.len() / WORD_BITS + 1;
        let none = || vec![0; words].into_boxed_slice();
        let mut program = Self {
            length: tokens.len(),
            stays: none(),
            goes_on: none(),
            skips: none(),
            longest_skip,
            literals: Vec::new(),
        };
        for (position, token) in tokens.iter().enumerate() {
            match token {
                Token::Any => {
                    set(&mut program.stays, position);
                    set(&mut program.skips, position);
                }
                Token::NoneOrOne => {
                    set(&mut program.goes_on, position);
                    set(&mut program.skips, position);
                }
                Token::ExactlyOne => set(&mut program.goes_on, position),
                Token::Literal(character) => {
                    let index = match program.literals.binary_search_by_key(character, |(one, _)| *one) {
                        Ok(index) => index,
                        Err(index) => {
                            program.literals.insert(index, (*character, none()));
                            index
                        }
                    };
                    set(&mut program.literals[index].1, position);
                }
            }
        }
        Some(program)
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let mut positions = [0_u64; MAX_WORDS];
        positions[0] = 1;
        self.skip(&mut positions);
        for character in text.chars() {
            self.step(&mut positions, character);
            if positions.iter().all(|word| *word == 0) {
                return false;
            }
            self.skip(&mut positions);
        }
        positions[self.length / WORD_BITS] >> (self.length % WORD_BITS) & 1 == 1
    }

    fn step(&self, positions: &mut [u64; MAX_WORDS], character: char) {
        let literal = self.literals.binary_search_by_key(&character, |(one, _)| *one).ok();
        let literal = literal.map(|index| &self.literals[index].1);
        let mut carried = 0;
        for (word, position) in positions.iter_mut().enumerate().take(self.stays.len()) {
            let moving = *position & (self.goes_on[word] | literal.map_or(0, |literal| literal[word]));
            *position = (moving << 1) | carried | (*position & self.stays[word]);
            carried = moving >> (WORD_BITS - 1);
        }
    }

    fn skip(&self, positions: &mut [u64; MAX_WORDS]) {
        for _ in 0..self.longest_skip {
            let mut carried = 0;
            for (word, position) in positions.iter_mut().enumerate().take(self.skips.len()) {
                let moving = *position & self.skips[word];
                *position |= (moving << 1) | carried;
                carried = moving >> (WORD_BITS - 1);
            }
        }
    }
}

/// Without the wildcards beside a `*`, which add nothing to it.
fn simplified(tokens: impl Iterator<Item = Token>) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::new();
    for token in tokens {
        match token {
            Token::Any => {
                while matches!(kept.last(), Some(Token::NoneOrOne | Token::Any)) {
                    kept.pop();
                }
                kept.push(token);
            }
            Token::NoneOrOne if kept.last() == Some(&Token::Any) => {}
            _ => kept.push(token),
        }
    }
    kept
}

fn longest_skip(tokens: &[Token]) -> usize {
    let runs = tokens.split(|token| !matches!(token, Token::Any | Token::NoneOrOne));
    runs.map(<[Token]>::len).max().unwrap_or_default()
}

fn set(bits: &mut [u64], position: usize) {
    bits[position / WORD_BITS] |= 1 << (position % WORD_BITS);
}
