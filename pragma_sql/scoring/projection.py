"""Vectors in two dimensions, and in groups of similar ones.

Letters: n users, d numbers a vector.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Float = npt.NDArray[np.float64]
Int = npt.NDArray[np.int64]


SAMPLE = """
select * from vectors.latest_embeddings
where user_id {whose} (select known.user_id from tokens._histories as known)
order by md5(user_id), user_id
limit $users
"""
"""Users with events (`in`), or without (`not in`); the sample is the same from day to day."""

NO_EVENTS = "no events"
"""The method, and the segment, of users who have only a profile."""


def layout(rows: pa.Table, clusters: int) -> pa.Table:
    """Add `x, y, norm, cluster, method` to rows of `user_id, embedding`.

    The layout is by UMAP if the package umap-learn is installed, else by the first two principal
    components. The same rows in any order give the same layout.

    Args:
        rows: one row per user, `embedding` a list of d floats; other columns are dropped.
        clusters: most groups; group 1 is the largest.
    """
    rows = rows.select(["user_id", "embedding"]).sort_by("user_id")
    vectors = np.array(rows["embedding"].to_pylist(), np.float64).reshape(
        len(rows), -1 if len(rows) else 1
    )
    method = "umap" if find_spec("umap") is not None and len(rows) > 15 else "pca"
    # Rounded, so that the order in which threads add does not matter.
    points = np.round(by_umap(vectors) if method == "umap" else by_pca(vectors), 6)
    return pa.table(
        {
            "user_id": rows["user_id"],
            "x": points[:, 0],
            "y": points[:, 1],
            "norm": np.round(np.linalg.norm(vectors, axis=1), 6),
            "cluster": pa.array(groups(vectors, clusters), pa.int32()),
            "method": pa.array([method] * len(rows), pa.string()),
        }
    )


def without_coordinates(rows: pa.Table) -> pa.Table:
    """The columns of `layout` for users without events: cluster 0, and null coordinates.

    Their vectors depend on profiles only, so users with equal profiles would coincide.
    """
    rows = rows.select(["user_id"]).sort_by("user_id")
    nowhere = pa.nulls(len(rows), pa.float64())
    return pa.table(
        {
            "user_id": rows["user_id"],
            "x": nowhere,
            "y": nowhere,
            "norm": nowhere,
            "cluster": pa.array([0] * len(rows), pa.int32()),
            "method": pa.array([NO_EVENTS] * len(rows), pa.string()),
        }
    )


def by_pca(vectors: Float) -> Float:
    """The first two principal components, [n, d] -> [n, 2]; zeros if there are fewer.

    Signs are fixed: the largest loading of each component is positive.
    """
    if len(vectors) < 2:
        return np.zeros((len(vectors), 2))
    centred = vectors - vectors.mean(axis=0)
    _, components = np.linalg.eigh(centred.T @ centred)
    first = components[:, ::-1][:, :2]
    signs = np.sign(first[np.abs(first).argmax(axis=0), np.arange(first.shape[1])])
    points = np.zeros((len(vectors), 2))
    points[:, : first.shape[1]] = centred @ (first * signs)
    return points


def by_umap(vectors: Float) -> Float:
    """UMAP with a fixed seed, [n, d] -> [n, 2]."""
    import umap  # type: ignore[import-not-found,unused-ignore]

    points = umap.UMAP(n_components=2, random_state=0, n_jobs=1).fit_transform(vectors)
    return np.asarray(points, np.float64)


def groups(vectors: Float, most: int) -> Int:
    """K-means groups of unit vectors, [n], numbered from 1, the largest first."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = np.unique(np.round(vectors / np.maximum(lengths, 1e-12), 9), axis=0, return_inverse=True)
    distinct, which = unit[0], unit[1].ravel()
    if len(distinct) < 2:
        return np.ones(len(vectors), np.int64)
    # This import takes a third of a second, which a build without vectors saves.
    from scipy.cluster.vq import kmeans2

    _, label = kmeans2(distinct, min(most, len(distinct)), minit="++", rng=0, missing="warn")
    counts = np.bincount(label[which], minlength=most)
    rank = np.empty(len(counts), np.int64)
    rank[np.argsort(-counts, kind="stable")] = np.arange(1, len(counts) + 1)
    numbers: Int = rank[label[which]]
    return numbers
