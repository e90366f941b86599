"""TinyRenderer's arithmetic in compiled code: what `raster` draws with.

Bullet's software renderer takes 0.25 to 0.45 µs to shade a sample, and cannot be told to do less. These kernels follow
it operation by operation: dot products from the last term to the first, perspective-correct weights, normals
renormalised where they stand, colours cut down to whole numbers.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

SAMPLES = 2
"""Samples along each side of a pixel: edges are anti-aliased by SAMPLES² samples."""

AMBIENT, DIFFUSE = np.float32(0.55), np.float32(0.5)
"""Share of a surface's colour in no light, and what full light adds."""

NEAR, FAR = 1.0, 10.0
"""Planes between which things are seen, world units from the eye."""

NOTHING = np.float32(-1e30)
"""The depth where nothing is drawn."""

SCRATCH = 12
"""Numbers that `draw` needs room for, a vertex."""

_ZERO, _ONE = np.float32(0), np.float32(1)
_FLAT = 1e-2  # twice the area of a triangle that is left out, square samples


@njit(cache=True, error_model="numpy")
def _product(a, b, out):
    """`a @ b` of 4×4 matrices, each sum from its last term to its first."""
    for i in range(4):
        for j in range(4):
            total = _ZERO
            for k in range(3, -1, -1):
                total += a[i, k] * b[k, j]
            out[i, j] = total


@njit(cache=True, error_model="numpy")
def _minor3(m, r0, r1, r2, c0, c1, c2):
    """Determinant of three rows and columns of a matrix, expanded along the first row from its last entry."""
    total = m[r0, c2] * (m[r1, c1] * -m[r2, c0] + m[r1, c0] * m[r2, c1])
    total += m[r0, c1] * -(m[r1, c2] * -m[r2, c0] + m[r1, c0] * m[r2, c2])
    total += m[r0, c0] * (m[r1, c2] * -m[r2, c1] + m[r1, c1] * m[r2, c2])
    return total


@njit(cache=True, error_model="numpy")
def _inverse_transpose(m, out):
    """Transposed inverse of a 4×4 matrix: its cofactors over its determinant."""
    others = ((1, 2, 3), (0, 2, 3), (0, 1, 3), (0, 1, 2))
    for i in range(4):
        r = others[i]
        for j in range(4):
            c = others[j]
            cofactor = _minor3(m, r[0], r[1], r[2], c[0], c[1], c[2])
            out[i, j] = -cofactor if (i + j) % 2 else cofactor
    determinant = _ZERO
    for k in range(3, -1, -1):
        determinant += out[0, k] * m[0, k]
    for i in range(4):
        for j in range(4):
            out[i, j] /= determinant


@njit(cache=True, error_model="numpy")
def _model_matrix(position, quaternion, out):
    """The body's place as a float32 matrix, worked out in double precision."""
    x, y, z, w = quaternion[0], quaternion[1], quaternion[2], quaternion[3]
    s = 2.0 / (x * x + y * y + z * z + w * w)
    xs, ys, zs = x * s, y * s, z * s
    wx, wy, wz = w * xs, w * ys, w * zs
    xx, xy, xz = x * xs, x * ys, x * zs
    yy, yz, zz = y * ys, y * zs, z * zs
    out[0, 0], out[0, 1], out[0, 2] = 1.0 - (yy + zz), xy - wz, xz + wy
    out[1, 0], out[1, 1], out[1, 2] = xy + wz, 1.0 - (xx + zz), yz - wx
    out[2, 0], out[2, 1], out[2, 2] = xz - wy, yz + wx, 1.0 - (xx + yy)
    out[0, 3], out[1, 3], out[2, 3] = position[0], position[1], position[2]
    out[3, 0], out[3, 1], out[3, 2], out[3, 3] = 0.0, 0.0, 0.0, 1.0


@njit(cache=True, error_model="numpy")
def _projection_matrix(camera, size, out):
    """The view's frustum; half a sample off, because TinyRenderer samples a pixel at its lower left corner."""
    d, half = camera[2], camera[3]
    pixel = 2.0 * half / size
    x0, y1 = -half + 0.5 * pixel, half + 0.5 * pixel
    x1, y0 = x0 + size * pixel, y1 - size * pixel
    out[:] = _ZERO
    out[0, 0], out[1, 1] = 2 * d / (x1 - x0), 2 * d / (y1 - y0)
    out[0, 2], out[1, 2] = (x1 + x0) / (x1 - x0), (y1 + y0) / (y1 - y0)
    out[2, 2], out[3, 2] = -(FAR + NEAR) / (FAR - NEAR), -1.0
    out[2, 3] = -2 * FAR * NEAR / (FAR - NEAR)


@njit(cache=True, error_model="numpy")
def _settle(normals, v):
    """Scales a normal to length one where it stands; returns whether that changed it."""
    x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
    scale = _ONE / np.sqrt(x * x + y * y + z * z)
    normals[v, 0], normals[v, 1], normals[v, 2] = x * scale, y * scale, z * scale
    return normals[v, 0] != x or normals[v, 1] != y or normals[v, 2] != z


@njit(cache=True, error_model="numpy")
def _turn_normal(turned, normals, v, scratch):
    x, y, z = normals[v, 0], normals[v, 1], normals[v, 2]
    for i in range(3):
        scratch[v, 7 + i] = (turned[i, 2] * z + turned[i, 1] * y) + turned[i, 0] * x


@njit(cache=True, error_model="numpy")
def draw(
    vertices,
    normals,
    uvs,
    triangles,
    scratch,
    texture,
    position,
    quaternion,
    camera,
    light,
    unsettled,
    colors,
    depths,
):
    """Draws one body, all of it before the eye, into the samples of the view, rows from the bottom up.

    Args:
        vertices: float32 [V, 3].
        normals: float32 [V, 3], scaled to length one before they are used, if they are `unsettled`.
        uvs: float32 [V, 2], none below 0.
        triangles: int64 [N, 3].
        scratch: float32 [V, SCRATCH]: clip coordinates, world coordinates, turned normals, places in the view.
        texture: uint8 [h, w, 3].
        position: float64 [3].
        quaternion: float64 [4], xyzw.
        camera: float64 [4].
        light: float32 [3].
        unsettled: whether scaling normals once more may change them.
        colors: uint8 [size, size, 3].
        depths: float32 [size, size], minus the way from the eye to the nearest so far.

    Returns:
        whether scaling changed any normal.
    """
    size = len(depths)
    model = np.empty((4, 4), np.float32)
    view = np.zeros((4, 4), np.float32)
    projection = np.empty((4, 4), np.float32)
    seen = np.empty((4, 4), np.float32)
    clip = np.empty((4, 4), np.float32)
    turned = np.empty((4, 4), np.float32)
    _model_matrix(position, quaternion, model)
    for i in range(4):
        view[i, i] = _ONE
    for i in range(3):
        view[i, 3] = -camera[i]
    _projection_matrix(camera, size, projection)
    _product(view, model, seen)
    _product(projection, seen, clip)
    _inverse_transpose(model, turned)
    half = np.float32(size) / np.float32(2)
    near = projection[2, 3] / (projection[2, 2] - _ONE)
    far = projection[2, 3] / (projection[2, 2] + _ONE)
    eye_x, eye_y, eye_z = -np.float64(view[0, 3]), -np.float64(view[1, 3]), -np.float64(view[2, 3])
    for v in range(len(vertices)):
        x, y, z = vertices[v, 0], vertices[v, 1], vertices[v, 2]
        for i in range(4):
            scratch[v, i] = ((clip[i, 3] + clip[i, 2] * z) + clip[i, 1] * y) + clip[i, 0] * x
        for i in range(3):
            scratch[v, 4 + i] = ((model[i, 3] + model[i, 2] * z) + model[i, 1] * y) + model[i, 0] * x
        w = scratch[v, 3]
        scratch[v, 10] = (half * w + half * scratch[v, 0]) / w
        scratch[v, 11] = (half * w + half * scratch[v, 1]) / w
        _turn_normal(turned, normals, v, scratch)
    rows, columns = texture.shape[0], texture.shape[1]
    last = np.float32(size - 1)
    changed = False
    for n in range(len(triangles)):
        a, b, c = triangles[n, 0], triangles[n, 1], triangles[n, 2]
        if unsettled:
            for v in (a, b, c):
                if _settle(normals, v):
                    changed = True
                    _turn_normal(turned, normals, v, scratch)
        ax, ay, az = np.float64(scratch[a, 4]), np.float64(scratch[a, 5]), np.float64(scratch[a, 6])
        ux, uy, uz = np.float64(scratch[b, 4]) - ax, np.float64(scratch[b, 5]) - ay, np.float64(scratch[b, 6]) - az
        vx, vy, vz = np.float64(scratch[c, 4]) - ax, np.float64(scratch[c, 5]) - ay, np.float64(scratch[c, 6]) - az
        facing = (ax - eye_x) * (uy * vz - uz * vy) + (ay - eye_y) * (uz * vx - ux * vz)
        if facing + (az - eye_z) * (ux * vy - uy * vx) >= 0.0:
            continue
        wa, wb, wc = scratch[a, 3], scratch[b, 3], scratch[c, 3]
        x0, y0 = scratch[a, 10], scratch[a, 11]
        x1, y1 = scratch[b, 10], scratch[b, 11]
        x2, y2 = scratch[c, 10], scratch[c, 11]
        first_x, last_x = max(_ZERO, min(x0, x1, x2)), min(last, max(x0, x1, x2))
        first_y, last_y = max(_ZERO, min(y0, y1, y2)), min(last, max(y0, y1, y2))
        if min(wa, wb, wc) < _ZERO or not (first_x <= last_x and first_y <= last_y):
            continue
        # From here to the weights in double precision.
        ax, ay, az = np.float64(x0), np.float64(y0), np.float64(scratch[a, 2])
        ux, uy, uz = np.float64(x2) - ax, np.float64(y2) - ay, np.float64(scratch[c, 2])
        vx, vy, vz = np.float64(x1) - ax, np.float64(y1) - ay, np.float64(scratch[b, 2])
        area = ux * vy - vx * uy
        if not abs(area) > _FLAT:
            continue
        for py in range(int(first_y), int(last_y) + 1):
            down = ay - py
            for px in range(int(first_x), int(last_x) + 1):
                across = ax - px
                share_c, share_b = vx * down - across * vy, across * uy - ux * down
                if share_c * area < 0.0 or share_b * area < 0.0:  # before any division
                    continue
                share_a = 1.0 - (share_c + share_b) / area
                if share_a < 0.0:
                    continue
                share_a, share_b, share_c = share_a / wa, share_b / area / wb, share_c / area / wc
                total = (share_a + share_b) + share_c
                share_a, share_b, share_c = share_a / total, share_b / total, share_c / total
                depth = -((uz * share_c + vz * share_b) + az * share_a)
                if depths[py, px] > depth or depth < -far or depth > near:
                    continue
                bar_a, bar_b, bar_c = np.float32(share_a), np.float32(share_b), np.float32(share_c)
                nx = (scratch[c, 7] * bar_c + scratch[b, 7] * bar_b) + scratch[a, 7] * bar_a
                ny = (scratch[c, 8] * bar_c + scratch[b, 8] * bar_b) + scratch[a, 8] * bar_a
                nz = (scratch[c, 9] * bar_c + scratch[b, 9] * bar_b) + scratch[a, 9] * bar_a
                scale = _ONE / np.sqrt(nx * nx + ny * ny + nz * nz)
                lit = ((nz * scale) * light[2] + (ny * scale) * light[1]) + (nx * scale) * light[0]
                diffuse = DIFFUSE * (lit if lit > _ZERO else _ZERO)
                u = (uvs[c, 0] * bar_c + uvs[b, 0] * bar_b) + uvs[a, 0] * bar_a
                t = (uvs[c, 1] * bar_c + uvs[b, 1] * bar_b) + uvs[a, 1] * bar_a
                column = min(max(int((u - np.float32(math.trunc(u))) * np.float32(columns)), 0), columns - 1)
                row = min(max(int((t - np.float32(math.trunc(t))) * np.float32(rows)), 0), rows - 1)
                depths[py, px] = depth
                for k in range(3):
                    texel = np.float32(texture[rows - 1 - row, column, k])
                    colors[py, px, k] = np.uint8(min(int(AMBIENT * texel + diffuse * texel), 255))
    return changed


@njit(cache=True, error_model="numpy")
def compose(backdrop, colors, depths, left, top, right, bottom, picture):
    """Averages the samples of some pixels, with the backdrop where nothing was drawn."""
    size, most = len(picture), SAMPLES * SAMPLES
    for y in range(top, bottom):
        for x in range(left, right):
            free, red, green, blue = 0, 0, 0, 0
            for i in range(SAMPLES):
                row = (size - y) * SAMPLES - 1 - i
                for column in range(x * SAMPLES, x * SAMPLES + SAMPLES):
                    if depths[row, column] == NOTHING:
                        free += 1
                    else:
                        red += colors[row, column, 0]
                        green += colors[row, column, 1]
                        blue += colors[row, column, 2]
            behind = backdrop[y, x]
            picture[y, x, 0] = (red + free * behind[0] + most // 2) // most
            picture[y, x, 1] = (green + free * behind[1] + most // 2) // most
            picture[y, x, 2] = (blue + free * behind[2] + most // 2) // most


@njit(cache=True, error_model="numpy")
def film(
    vertices,
    normals,
    uvs,
    triangles,
    scratch,
    texture,
    positions,
    quaternions,
    camera,
    light,
    backdrop,
    video,
    colors,
    depths,
):
    """Draws one body in every frame of a video; arguments as in `draw`, `depths` all free before and after."""
    size, unsettled = len(backdrop), True
    for frame in range(len(video)):
        unsettled = draw(
            vertices,
            normals,
            uvs,
            triangles,
            scratch,
            texture,
            positions[frame],
            quaternions[frame],
            camera,
            light,
            unsettled,
            colors,
            depths,
        )
        left, right = math.inf, -math.inf
        low, high = math.inf, -math.inf
        for v in range(len(vertices)):
            left, right = min(left, scratch[v, 10]), max(right, scratch[v, 10])
            low, high = min(low, scratch[v, 11]), max(high, scratch[v, 11])
        first, last = max(int(left) // SAMPLES, 0), min(int(right) // SAMPLES + 1, size)
        top, bottom = max(size - 1 - int(high) // SAMPLES, 0), min(size - int(low) // SAMPLES, size)
        video[frame] = backdrop
        compose(backdrop, colors, depths, first, top, last, bottom, video[frame])
        depths[(size - bottom) * SAMPLES : (size - top) * SAMPLES, first * SAMPLES : last * SAMPLES] = NOTHING
