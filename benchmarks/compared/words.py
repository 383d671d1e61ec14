"""The words of the page. Names in braces are numbers, filled in from what was measured."""

INTRODUCTION = """\
The same five questions about {rows} rows of {columns} numbers, asked of Tercet and of other ways to compute on data
that nobody may show: other systems of secret sharing, homomorphic encryption, federated learning, differential privacy.
All were measured in one run on one machine ({date}; {processor}, {cores} cores). Hardware enclaves were not:
there is none here, and they stand by facts with sources. `benchmarks/alternatives.py` wrote this page and
[its numbers](comparison.json)."""

SHORT = """\
Five things are often said of computing on secret shares. Here is each, as far as these numbers carry it.

1. **"Privacy and utility at once."** *Yes, under one condition.* The largest error was {mean_error} in a mean,
   {regression_error} in a coefficient, {step_error} in a weight after a step; the count was right. Nobody learns a row
   on the way **as long as no two of the three servers collude and all follow the protocol**. What an answer tells
   about a person it tells here, too: Tercet adds no noise. Differential privacy does, and was off by {mean_noise} in a
   mean and {count_noise} in the count at epsilon 1.
2. **"Only the final result becomes known."** *Of values, yes.* The regression opens its coefficients and nothing else;
   CKKS opened 78 sums for the same, federated learning 78 sums of each owner. Around the values it is not so: plans,
   names of columns, bounds, numbers of rows and times [are public](security/threat-model.md#what-one-node-learns).
3. **"Less resources than homomorphic encryption."** *Less computation and fewer bytes; more organisations and more
   rounds.* CKKS took {mean_times} times as long as Tercet for the means, {moments_times} for the sums of the
   regression, {step_times} for a step, {comparison_times} for the count, and {mean_bytes_times}, {moments_bytes_times},
   {step_bytes_times} and {comparison_bytes_times} times the bytes, its keys not counted. But it needs one server, not
   three, and each thing is sent once. Tercet's whole regression talks {rounds} times: {regression_s} where servers
   are near, {slow_regression} where they are 40 ms apart.
4. **"More practical than the others."** *It depends on the question.* If owners can compute sums themselves and may
   show them, federated learning answers in a millisecond, with one coordinator. If one server may be trusted with
   ciphertexts and a mean is all that is wanted, Paillier needs no second one. Secret sharing is what answered **all**
   questions here, those between two owners' columns among them, with small errors and nothing else opened. Its price
   is three organisations that do not collude.
5. **"No special hardware."** *Yes, and so it is with all others but enclaves.* Everything here ran on {cores} ordinary
   cores."""

PROPERTIES = """\
| | who learns what | who must be trusted | what breaks it | hardware |
|---|---|---|---|---|
| **Tercet** | who asks: the answer. A server: plans, names, bounds, sizes | of three servers no two collude, all \
follow the protocol | two servers together read all; one that lies can [falsify results, and with an analyst \
read values](security/threat-model.md#what-a-node-that-lies-can-do) | three ordinary servers |
| **SPU** (ABY3) | the same kind | the same | the same | three servers |
| **CrypTen** | the same kind | with the settings that it comes with, the first party, which deals the random numbers \
that mask everybody's values | the first party | two servers or more |
| **CKKS** | key holder: the answer, and what was opened for it. Server: sizes | the key holder and whoever has \
ciphertexts do not collude; keys split among owners are known, TenSEAL has none | the key: who has it \
reads every ciphertext. [Answers that are passed on]\
(https://eprint.iacr.org/2020/1533) with all their digits give the key away (Li and Micciancio, 2021) | one server |
| **Paillier** | key holder: sums. Server: sizes | the same | the key | one server |
| **Federated learning** | the coordinator: each owner's sums or gradients, each round. All: the model | the \
coordinator, with what gradients tell | a small batch, or two rounds that differ by a person | each owner computes |
| **Differential privacy** | who asks: an answer with noise | whoever sees the rows and adds the noise | too many \
questions; a budget too large | any |
| **Hardware enclave** | who asks: the answer | the maker of the processor, who runs the machine, the program within | \
leaks of the processor, somebody at the memory bus | processors with SGX, TDX or SEV-SNP |"""

READ_BACK = """\
Federated learning is said to show no data, as rows stay where they are. For a logistic regression a row's gradient is
(p - label) (1, x): divide it by its first number and the row stands there; the sign of that number is the label. From
gradients of single rows {records} of {records} records were read back, off by {read_error} at most, with {labels} of
{records} labels right (`benchmarks/compared/federated.py`, `record_from`). So it is for an owner who trains by single
rows, or whose sums of two days differ by one patient. For larger batches and networks the same is done by search
([Zhu et al., 2019](https://arxiv.org/abs/1906.08935); [Geiping et al., 2020](https://arxiv.org/abs/2003.14053)).
The cure is to add up the owners' gradients where nobody sees them: by secret sharing or encryption."""

ENCLAVES = """\
An enclave computes on plain values in memory that the machine's own administrator cannot read. Nothing was measured
here. What is known:

- It needs its processor: SGX is in server processors; desktop ones of the 11th and 12th generation
  [lost it](https://www.heise.de/news/UHD-Blu-rays-lassen-sich-nicht-mehr-auf-neuen-PCs-wiedergeben-SGX-deaktiviert-6326346.html)
  (heise, 2022). [TDX](https://docs.kernel.org/arch/x86/tdx.html) and SEV-SNP isolate whole virtual machines on servers.
- Any program runs on it, nearly or wholly [unchanged](https://www.intel.com/content/www/us/en/developer/articles/technical/trust-domain-extensions-on-4th-gen-xeon-processors.html)
  (Intel, 2023), and one machine is enough. That is simpler than anything above.
- Its promise has been broken again and again, by software:
  [Foreshadow](https://www.usenix.org/conference/usenixsecurity18/presentation/bulck) (2018) read SGX's attestation
  keys, [SGAxe](https://sgaxe.com) (2020) did so after the repairs; in 2026 the
  [root seed of SEV-SNP's keys](https://arxiv.org/abs/2605.12990) was read out of a generation of EPYC processors.
- And by hardware: [BadRAM](https://badram.eu) (2024) with memory modules that lie about their size,
  [Battering RAM](https://github.com/batteringramattack/batteringram) (2025) on DDR4 with parts for some tens of
  dollars,
  [TEE.fail](https://tee.fail) (2025) on DDR5, against SGX, TDX and SEV-SNP. Makers say that they do not protect from
  somebody who holds the machine; whether that is enough depends on who runs it.
- The two can be joined: of Tercet's servers, each in an enclave, two have to be broken, not one."""

WORSE = """\
- **Two servers together have everything.** With encryption an owner may hold the only key; with federated learning
  the rows do not leave the house.
- **Three organisations** have to run servers, all at once; if one is down, nobody gets an answer.
- **A server that lies** is not held off: security is against curious servers. [Malicious security is planned, not
  there](security/threat-model.md#what-a-node-that-lies-can-do).
- **Rounds.** Everything that is compared, divided or iterated waits for the line. See above.
- **It is slower than computing in plain**: here {fastest_plain} to {slowest_plain} times as slow as NumPy on one
  machine that sees all.
- **An exact answer** protects nobody from what it says. There is no noise."""

HOW = """\
The data are drawn (`numpy.random.default_rng({seed})`): x normal, within -6 to 6; y a linear function of x with noise,
within -24 to 24; labels by a logistic function; a and b integers below 100,000. The step starts from secret weights
that are not zero. Errors are against NumPy in 64-bit floats. Everything ran{in_class}; medians of
five, of three for SPU, CrypTen and the slow line, one run of CKKS and Paillier. {versions}.

- *Tercet*: three processes, mutual TLS, after one run that is not counted. Bytes between the servers; the parts of an
  answer, a few hundred bytes, and the plan are not in them. Sums of columns need no message at all.
- *SPU 0.9.5* (ABY3, in-process simulator, no TLS) and *CrypTen 0.4.1* (three processes, no TLS), as they come, in
  environments of their own; bytes as they count them. SPU's sums of the regression are not there: its threads wait
  by spinning, which takes 48 s in the real-time class, three on two cores; `benchmarks/run.py --peer` times them
  fairly, and README has the figures.
- *CKKS*: degree 8192 with moduli of 160 bits for one product, 16384 with 435 bits for nine in a row; both 128 bits by
  the [standard's tables](https://homomorphicencryption.org/standard/). One key pair; the owners have the public key.
  Columns are packed, and rotations add up. Another packing, or a library on several cores, would be some times faster.
- *Paillier*: 3072 bits, with gmpy2, a row of ten numbers packed into one ciphertext; encrypting takes nearly all the
  time.
- *Federated*: three owners with a third of the rows each, one round, NumPy; times are all computation.
{missing}

Again: `pip install 'tercet[alternatives]'`, then `chrt -r 1 python benchmarks/alternatives.py --write`."""
