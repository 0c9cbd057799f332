import Glibc

/// A place on Earth, in degrees.
package struct GeoPoint: Sendable, Hashable {
    package var longitude: Double
    package var latitude: Double

    package init(longitude: Double, latitude: Double) {
        self.longitude = longitude
        self.latitude = latitude
    }

    /// Metres along the great circle on a sphere of Earth's mean radius (haversine formula).
    package func distance(to other: GeoPoint) -> Double {
        let meanRadius = 6_371_008.8
        let radians = Double.pi / 180
        let halfLatitude = sin((other.latitude - latitude) * radians / 2)
        let halfLongitude = sin((other.longitude - longitude) * radians / 2)
        let square =
            halfLatitude * halfLatitude + cos(latitude * radians) * cos(other.latitude * radians)
            * halfLongitude * halfLongitude
        return 2 * meanRadius * asin(min(1, square.squareRoot()))
    }
}

/// A part of Earth's surface. The boundary is outside, as in Qdrant.
package enum GeoShape: Sendable, Hashable {
    /// West of `topLeft.longitude` to the east of `bottomRight.longitude`; across the antimeridian where the first is
    /// the larger.
    case box(topLeft: GeoPoint, bottomRight: GeoPoint)
    /// Radius in metres.
    case circle(center: GeoPoint, radius: Double)
    /// Closed rings: first point and last point are the same. Edges are straight in longitude and latitude.
    case polygon(exterior: [GeoPoint], interiors: [[GeoPoint]])

    package func contains(_ point: GeoPoint) -> Bool {
        switch self {
        case .box(let topLeft, let bottomRight):
            guard bottomRight.latitude < point.latitude, point.latitude < topLeft.latitude else { return false }
            let eastOfLeft = topLeft.longitude < point.longitude
            let westOfRight = point.longitude < bottomRight.longitude
            let crossesAntimeridian = topLeft.longitude > bottomRight.longitude
            return crossesAntimeridian ? eastOfLeft || westOfRight : eastOfLeft && westOfRight
        case .circle(let center, let radius):
            return center.distance(to: point) < radius
        case .polygon(let exterior, let interiors):
            return Self.place(of: point, in: exterior) == .inside
                && interiors.allSatisfy { Self.place(of: point, in: $0) == .outside }
        }
    }

    private enum Place { case inside, boundary, outside }

    /// Counts the edges that a ray towards the east crosses: odd is inside. An edge owns its lower end, so that a ray
    /// through a corner counts once.
    private static func place(of point: GeoPoint, in ring: [GeoPoint]) -> Place {
        var inside = false
        for index in ring.indices.dropLast() {
            let (a, b) = (ring[index], ring[index + 1])
            let cross =
                (b.longitude - a.longitude) * (point.latitude - a.latitude)
                - (b.latitude - a.latitude) * (point.longitude - a.longitude)
            if cross == 0, isBetween(point, a, b) { return .boundary }
            let upward = a.latitude <= point.latitude && point.latitude < b.latitude
            let downward = b.latitude <= point.latitude && point.latitude < a.latitude
            if upward && cross > 0 || downward && cross < 0 { inside.toggle() }
        }
        return inside ? .inside : .outside
    }

    /// Whether a point on the line through a and b is between them.
    private static func isBetween(_ point: GeoPoint, _ a: GeoPoint, _ b: GeoPoint) -> Bool {
        min(a.longitude, b.longitude) <= point.longitude && point.longitude <= max(a.longitude, b.longitude)
            && min(a.latitude, b.latitude) <= point.latitude && point.latitude <= max(a.latitude, b.latitude)
    }
}
