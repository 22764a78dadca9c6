"""What fields and tables mean, where no docstring of the source says it."""

from __future__ import annotations

MEANINGS: dict[str, dict[str, str]] = {  # of fields whose docstring does not say it
    "Data": {
        "members": "csv, parquet or npz (arrays x and y): the people the model was trained on.",
        "others": "the same columns: people it never saw. Missing: exit 2.",
        "auxiliary": "people whose data the attacker holds. Missing: others is halved by person.",
        "person": "the column that says whose row it is, where one person has several.",
        "released": "a table that was given out about the members: linkage is attacked.",
        "score": "the column of the released table that kept the model's score; by default one "
        "of a usual name.",
    },
    "Attacker": {
        "knows": "the columns the attacker holds; by default every column of the model but the "
        "hidden one.",
        "label": "whether they know the true label.",
    },
    "Model": {
        "path": "an ONNX, skops, XGBoost (ubj, json), LightGBM (txt), pickle or joblib file.",
        "url": "a server that speaks the Open Inference Protocol v2, or that `template` describes, "
        "to audit or to guard.",
        "name": "what callers call the model; by default the file's name without its suffix.",
        "sha256": "the file must have this hash; it never vouches for a pickle.",
        "high_risk": "lets in `internal_only` roles only, whatever address is listened on.",
        "purpose": "what the model is for; no command of this version reads it.",
        "template": "a JSON file: how `url`, or what `--url` names where there is none, is asked "
        "and answers: [any other endpoint](../how-to/audit-a-live-endpoint.md#any-other-endpoint)"
        ".",
        "price": "of one row that an endpoint is asked; an audit tells what it costs.",
        "decoder": "no command of this version reads it.",
        "answers": "files of recorded answers, in place of a model.",
    },
    "Answers": {
        "members": "one row per member, in the order of the table: one column per class, or one "
        "column of values.",
        "others": "the same about others.",
    },
    "Risk": {
        "max_advantage": "AUC that an attack may gain over imputation, on members.",
        "max_memorization": "AUC by which that gain may be larger on members than on others.",
        "max_utility_loss": "accuracy or R2 that a configuration may lose against the first one.",
    },
    "Console": {
        "hosts": "names besides localhost, plain addresses and the host of `admin_listen` under "
        "which it may be asked for; others are refused, so that no foreign page can reach it by "
        "a name of its own.",
    },
    "Gateway": {
        "listen": "address of the guarded model: /v2 only.",
        "admin_listen": "address of /console, /admin and /metrics: keep it local.",
        "trusted_proxies": "addresses and networks whose X-Forwarded-For counts.",
        "rows_per_day": "budget of all roles together.",
        "durability": "`group`: a query is on the disk before it is answered; `async`: within 50 "
        "ms, and a crash loses at most a second.",
    },
    "StorePlace": {
        "url": "a PostgreSQL shared by all replicas; by default SQLite in `.reticent/`.",
        "retention_days": "for which queries, alerts and what is made of them are kept; by "
        "default for ever.",
    },
    "Abstain": {
        "honest": "the share of honest people who shall be answered; the rest is refused.",
        "confidence": "refuse where the highest score is below this.",
    },
    "Noise": {"scale": "of the Laplace distribution; one for all roles of a model."},
    "Policy": {"roles": "role name to contract."},
    "Options": {"seed": "of everything random in the run.", "risk": "the limits."},
    "Known": {"hidden": "the column under attack.", "label": "the label's name.",
              "knows_label": "whether the true label is in `rows`."},
    "Hidden": {"column": "its name."},
    "Evidence": {
        "format": "of this file.", "reticent_version": "that wrote it.",
        "created": "when, in UTC.", "expires": "when it should be done again.",
        "seed": "of the run.", "subjects": "what was audited, by digest.",
        "configurations": "the views that were attacked.",
        "self_test": "the instrument's known-answer test, where it was run.",
        "not_run": "what was left out, and why.",
    },
    "Subjects": {"model": "digest of the file, or of the answers to the members.",
                 "data": "of members, others and auxiliary.", "contract": "of the whole policy."},
    "Finding": {
        "attack": "its name in the list, or `canaries`.", "hidden": "the column.",
        "verdict": "`leaks`, `no_leak_found`, `underpowered` or `not_applicable`.",
        "reason": "what the verdict rests on.",
    },
    "Score": {
        "accuracy": "share of right guesses.", "auc": "area under the ROC curve.",
        "mcc": "Matthews correlation.",
        "precision_at_5pct": "share of right ones among the surest 5 %.",
        "more": "`r2` and `mae` of a number; `epsilon_lower_bound` and `utility_cost` of canaries.",
    },
    "NotRun": {"attack": "its name.", "reason": "why."},
    "SelfTest": {"passed": "whether all checks did.", "checks": "each known answer."},
}  # fmt: skip

TABLES = {
    "columns": (
        'One line per column: `name = "role"`. The roles are `identifier` (never given to the '
        "model), `quasi_identifier`, `sensitive` (what the attacker wants; at least one), "
        "`feature` and `label` (what the model predicts; exactly one). A column that is not named "
        "is a feature."
    ),
    "domains": (
        "One inline table per column: `name = {values = [0, 1], public = true}`. Each sensitive "
        "column needs `values` or `bins`, and so does each marginalized one: they are its "
        "candidate values. Of `bins`, the candidates are the midpoints."
    ),
    "roles": "One table per role.",
    "alerts": "One table per place. [Send alerts where people look](../how-to/alerts.md).",
    "monitor": (
        "[How to choose](../how-to/detect.md#choose-the-allowance), [what it promises]"
        "(../explanation/detection.md), [what follows an alarm](../how-to/respond.md)."
    ),
    "console": "[Watch it in the console](../how-to/console.md).",
    "risk": "An audit ends with exit status 1 where one of these is not kept.",
}
