import numpy as np
import pytest

from streamdet.scenes.world.camera import Camera, choose_camera

POINTS = np.array([[0.5, 12.0, 1.0], [-3.0, 30.0, 0.0], [2.0, 8.0, 2.5]])


def test_the_pinhole(camera):
    level = Camera.looking((0.0, 0.0, 2.0), 0.0, 0.0, 300.0, (320, 192))
    pixel, depth = level.project(np.array([1.0, 10.0, 2.0]))
    assert pixel.tolist() == pytest.approx([160 + 30, 96])
    assert depth == pytest.approx(10)
    below, _ = level.project(np.array([0.0, 10.0, 0.0]))
    assert below.tolist() == pytest.approx([160, 96 + 60])


def test_rays_lead_back_to_their_pixels(camera):
    rays = camera.rays(margin=2, scale=1)
    points = camera.position + rays * 7.0
    pixels, _ = camera.project(points)
    rows, columns = np.indices(rays.shape[:2])
    np.testing.assert_allclose(pixels[..., 0], columns + 0.5 - 2, atol=1e-6)
    np.testing.assert_allclose(pixels[..., 1], rows + 0.5 - 2, atol=1e-6)


def test_a_shaken_camera_moves_points_as_the_picture_is_moved(camera):
    c, s = np.cos(0.02), np.sin(0.02)
    shake = np.array([[c, -s, 4.0], [s, c, -3.0]])
    still, _ = camera.project(POINTS)
    moved, _ = camera.shaken(shake).project(POINTS)
    np.testing.assert_allclose(moved, still @ shake[:, :2].T + shake[:, 2], atol=1e-9)


def test_a_widened_camera_sees_more_on_every_side(camera):
    wide = camera.widened(5)
    assert (wide.width, wide.height) == (330, 202)
    np.testing.assert_allclose(wide.project(POINTS)[0], camera.project(POINTS)[0] + 5)


@pytest.mark.parametrize("view", ["pole", "eye", "across", "pavement", "bridge"])
def test_every_view_looks_onto_the_road(view):
    for seed in range(20):
        camera = choose_camera(np.random.default_rng(seed), (320, 192), 5.0, 4.0, view)
        assert 1.4 < camera.position[2] < 9
        pixels, depth = camera.project(np.array([[0.0, y, 0.0] for y in range(5, 80, 3)], np.float64))
        inside = (depth > 0) & (pixels >= 0).all(1) & (pixels <= (320, 192)).all(1)
        assert inside.any()
