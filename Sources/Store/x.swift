struct LaneArrival {}
extension Session { func wake(_ l: [String: LaneArrival]) throws {} }
